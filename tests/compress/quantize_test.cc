#include "compress/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>

#include "engine/generator.h"
#include "evaluate/agreement.h"
#include "image/decode.h"
#include "support/checkpoint_copy.h"

namespace fovea::compress {
namespace {

namespace fs = std::filesystem;
using nn::Precision;
using test::CheckpointCopy;

const evaluate::Question kQuestion{.prompt = "What card is this?", .max_new_tokens = 16};

std::vector<evaluate::Example> pictures(std::initializer_list<const char*> names) {
  std::vector<evaluate::Example> examples;
  for (const char* name : names) {
    examples.push_back({.image = test::golden_folder("smolvlm-tiny-f32") / "images" / name, .truth = {}});
  }
  return examples;
}

std::unique_ptr<engine::Generator> open(const fs::path& folder, std::optional<Precision> precision = {},
                                        std::optional<Precision> vision = {}) {
  auto opened = engine::Generator::open(
      folder, {.model = {.precision = precision, .vision_precision = vision}, .threads = 1});
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return std::move(opened).value();
}

class QuantizeTest : public testing::Test {
 protected:
  QuantizeReport quantize(const std::string& golden, const QuantizeOptions& options) {
    const auto report = quantize_checkpoint(test::golden_folder(golden), destination_, options);
    EXPECT_TRUE(report.has_value()) << report.error().message;
    return report.value();
  }

  test::TemporaryFolder folder_;
  fs::path destination_ = folder_.path() / "quantised";
};

class QuantizedCheckpointTest
    : public QuantizeTest,
      public testing::WithParamInterface<std::tuple<const char*, Precision, Precision>> {};

/// Rounds an embedding table, in place, to what int8 rows hold exactly: integers up to 127, which each row
/// reaches, times a power of two.
void make_exact_in_int8(CheckpointCopy::Tensor& table) {
  const bool bf16 = table.dtype == tensor::DType::kBF16;
  const std::size_t columns = table.shape[1];
  const std::size_t size = tensor::dtype_size(table.dtype);
  for (std::size_t i = 0; i < table.shape[0] * columns; ++i) {
    char* at = table.bytes.data() + i * size;
    tensor::BFloat16 narrow;
    float value = 0;
    bf16 ? std::memcpy(&narrow, at, size) : std::memcpy(&value, at, size);
    if (bf16) value = tensor::to_float(narrow);
    const float integer = i % columns == 0 ? 127.0F : std::clamp(std::round(value * 32), -127.0F, 127.0F);
    value = integer / 32;
    narrow = tensor::to_bfloat16(value);
    bf16 ? std::memcpy(at, &narrow, size) : std::memcpy(at, &value, size);
  }
}

TEST_P(QuantizedCheckpointTest, AnswersLikeTheSourceQuantisedAtLoad) {
  const auto& [golden, weights, vision] = GetParam();
  // Only the table of embeddings, int8 in the checkpoint, stays as it is at load: one that int8 holds exactly
  // leaves no difference.
  const CheckpointCopy source(golden);
  source.edit_tensor("model.text_model.embed_tokens.weight", make_exact_in_int8);
  ASSERT_TRUE(
      quantize_checkpoint(source.folder(), destination_, {.weights = weights, .vision_weights = vision})
          .has_value());
  const auto at_load = open(source.folder(), weights, vision);
  const auto reopened = open(destination_);
  for (const auto& example : pictures({"0_300x420_RGB.png", "2_90x70_RGBA.png"})) {
    const std::string bytes = read_file(example.image).value();
    const auto picture = image::decode_image(std::as_bytes(std::span(bytes))).value();
    const engine::GenerateOptions options{.max_new_tokens = 16, .ignore_eos = true, .keep_tensors = true};
    const auto expected = at_load->generate({&picture, 1}, "What card is this?", options);
    const auto answer = reopened->generate({&picture, 1}, "What card is this?", options);
    ASSERT_TRUE(expected.has_value() && answer.has_value());
    EXPECT_EQ(answer->token_ids, expected->token_ids);
    EXPECT_EQ(answer->tensors.logits, expected->tensors.logits);
  }
}

TEST_P(QuantizedCheckpointTest, EveryProductReadsItsWeightsFromTheMap) {
  const auto& [golden, weights, vision] = GetParam();
  const QuantizeReport report = quantize(golden, {.weights = weights, .vision_weights = vision});
  const auto model = models::smolvlm::Model::load(destination_).value();
  std::size_t matrices = 0;
  const auto in_map = [&](const void* pointer) {
    return std::ranges::any_of(model->checkpoint().tensors(), [&](const auto& item) {
      return static_cast<const void*>(item.second.bytes.data()) == pointer;
    });
  };
  const auto check = [&](const nn::Linear& linear) {
    ++matrices;
    ASSERT_TRUE(linear.weight.is_packed()) << linear.name;
    const quantize::PackedView& view = linear.weight.packed();
    EXPECT_TRUE(in_map(view.values) && in_map(view.sums) && in_map(view.scales)) << linear.name;
    EXPECT_TRUE(view.multipliers == nullptr || in_map(view.multipliers)) << linear.name;
  };
  model->vision().for_each_linear([&](const nn::Linear& linear) {
    check(linear);
    EXPECT_EQ(linear.weight.precision(), vision) << linear.name;
  });
  model->text().for_each_linear([&](const nn::Linear& linear) {
    check(linear);
    EXPECT_EQ(linear.weight.precision(), weights) << linear.name;
  });
  EXPECT_EQ(report.matrices, matrices);
  EXPECT_EQ(report.bytes, fs::file_size(destination_ / "model.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, QuantizedCheckpointTest,
                         testing::Combine(testing::Values("smolvlm-tiny-f32", "smolvlm-tiny-bf16-tied"),
                                          testing::Values(Precision::kInt8, Precision::kInt4),
                                          testing::Values(Precision::kInt8, Precision::kInt4)),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param);
                           std::ranges::replace(name, '-', '_');
                           return name + "_" + nn::precision_name(std::get<1>(info.param)) + "_vision_" +
                                  nn::precision_name(std::get<2>(info.param));
                         });

TEST_F(QuantizeTest, TheConfigurationSaysWhatTheWeightsAre) {
  quantize("smolvlm-tiny-f32", {.weights = Precision::kInt4, .vision_weights = Precision::kInt8});
  const auto config = read_json_file(destination_ / "config.json").value();
  EXPECT_EQ(config["quantization_config"].dump(),
            R"({"quant_method":"fovea","version":1,"vision_weights":"int8","weights":"int4"})");
  const auto source = read_json_file(test::golden_folder("smolvlm-tiny-f32") / "config.json").value();
  EXPECT_EQ(config["text_config"], source["text_config"]);
}

TEST_F(QuantizeTest, TheFilesBesideTheWeightsAreCopiedAndTheShardsAreNot) {
  quantize("smolvlm-tiny-older-f16", {});
  for (const char* name : {"tokenizer.json", "preprocessor_config.json", "chat_template.jinja"}) {
    EXPECT_EQ(read_file(destination_ / name).value(),
              read_file(test::golden_folder("smolvlm-tiny-older-f16") / name).value())
        << name;
  }
  EXPECT_TRUE(fs::exists(destination_ / "model.safetensors"));
  EXPECT_FALSE(fs::exists(destination_ / "model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(destination_ / "model-00001-of-00002.safetensors"));
}

TEST_F(QuantizeTest, NarrowerWeightsAreFewerBytes) {
  const auto int8 = quantize("smolvlm-tiny-f32", {});
  fs::remove_all(destination_);
  const auto int4 =
      quantize("smolvlm-tiny-f32", {.weights = Precision::kInt4, .vision_weights = Precision::kInt4});
  EXPECT_LT(int8.bytes, int8.source_bytes / 2);
  EXPECT_LT(int4.bytes, int8.bytes * 4 / 5);
}

TEST_F(QuantizeTest, CalibratedInt4FollowsTheSourceMoreCloselyOnOtherPictures) {
  const auto reference = open(test::golden_folder("smolvlm-tiny-f32"), Precision::kF32);
  const auto divergence = [&](std::optional<CalibrationData> calibration) {
    fs::remove_all(destination_);
    quantize("smolvlm-tiny-f32", {.weights = Precision::kInt4,
                                  .vision_weights = Precision::kInt4,
                                  .calibration = std::move(calibration)});
    return evaluate::measure_agreement(*reference, *open(destination_), kQuestion,
                                       pictures({"3_512x512_L.png", "4_640x480_RGB.jpg"}), {})
        .value();
  };
  CalibrationData data{.pictures = {}, .prompt = kQuestion.prompt, .max_new_tokens = 16};
  for (const auto& example : pictures({"0_300x420_RGB.png", "1_1000x260_RGB.png", "2_90x70_RGBA.png"})) {
    data.pictures.push_back(example.image);
  }
  std::size_t done = 0;
  data.progress = [&](std::size_t count) { done = count; };
  const auto nearest = divergence({});
  const auto calibrated = divergence(data);
  EXPECT_EQ(done, 3U);
  EXPECT_LT(calibrated.mean_divergence(), nearest.mean_divergence());
  EXPECT_GT(calibrated.image_features.mean(), nearest.image_features.mean());
}

}  // namespace
}  // namespace fovea::compress
