#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "compress/prune.h"
#include "engine/generator.h"
#include "image/decode.h"
#include "support/checkpoint_copy.h"

namespace fovea::compress {
namespace {

namespace fs = std::filesystem;
using models::smolvlm::Config;
using test::CheckpointCopy;

const fs::path kPicture = test::golden_folder("smolvlm-tiny-f32") / "images" / "2_90x70_RGBA.png";

/// The logits of a few tokens of an answer about one picture.
std::vector<float> logits(const fs::path& folder) {
  const auto generator = engine::Generator::open(folder, {.model = {}, .threads = 1}).value();
  const std::string bytes = read_file(kPicture).value();
  const auto picture = image::decode_image(std::as_bytes(std::span(bytes))).value();
  const auto answer = generator->generate({&picture, 1}, "What card is this?",
                                          {.max_new_tokens = 3, .ignore_eos = true, .keep_tensors = true});
  EXPECT_TRUE(answer.has_value()) << answer.error().message;
  return {answer->tensors.logits.begin(), answer->tensors.logits.end()};
}

class SmolvlmPruneTest : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  fs::path destination_ = folder_.path() / "pruned";
};

class SmolvlmPruneLayoutTest : public SmolvlmPruneTest, public testing::WithParamInterface<const char*> {};

TEST_P(SmolvlmPruneLayoutTest, IsSmallerConsistentAndAnswers) {
  const fs::path source = test::golden_folder(GetParam());
  const auto before = Config::load(source).value();
  PruneOptions options{.ratio = 0.5};
  options.calibration = CalibrationData{.pictures = {kPicture}, .prompt = "Read.", .max_new_tokens = 4};
  const auto report = prune_checkpoint(source, destination_, options);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  const auto after = Config::load(destination_).value();
  EXPECT_EQ(after.text.num_key_value_heads, before.text.num_key_value_heads / 2);
  EXPECT_EQ(after.text.num_attention_heads, before.text.num_attention_heads / 2);
  EXPECT_EQ(after.text.head_dim, before.text.head_dim);
  EXPECT_LT(after.text.intermediate_size, before.text.intermediate_size);
  EXPECT_LT(after.vision.intermediate_size, before.vision.intermediate_size);
  EXPECT_LT(report->parameters_after, report->parameters_before);
  EXPECT_LT(report->macs_after, report->macs_before);
  EXPECT_LT(report->bytes_after, report->bytes_before);
  EXPECT_FALSE(logits(destination_).empty());
}

INSTANTIATE_TEST_SUITE_P(Golden, SmolvlmPruneLayoutTest,
                         testing::Values("smolvlm-tiny-f32", "smolvlm-tiny-bf16-tied",
                                         "smolvlm-tiny-older-f16"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

/// Sets columns [first, last) of every matrix of that ending to zero: what stands behind them does nothing.
void silence(const CheckpointCopy& copy, const std::string& ending, std::size_t first, std::size_t last) {
  copy.edit_tensors([&](std::vector<CheckpointCopy::Tensor>& tensors) {
    for (CheckpointCopy::Tensor& tensor : tensors) {
      if (!tensor.name.ends_with(ending)) continue;
      const std::size_t columns = tensor.shape[1];
      for (std::size_t row = 0; row < tensor.shape[0]; ++row) {
        std::memset(tensor.bytes.data() + (row * columns + first) * 4, 0, (last - first) * 4);
      }
    }
  });
}

TEST_F(SmolvlmPruneTest, UnitsThatDoNothingGoAndTheAnswerStays) {
  const CheckpointCopy copy("smolvlm-tiny-f32");
  const auto config = Config::load(copy.folder()).value();
  ASSERT_EQ(config.text.num_key_value_heads, 2U);
  const std::size_t head_group = config.text.num_attention_heads / 2 * config.text.head_dim;
  silence(copy, "self_attn.o_proj.weight", 0, head_group);
  silence(copy, "mlp.down_proj.weight", config.text.intermediate_size / 2, config.text.intermediate_size);
  silence(copy, "mlp.fc2.weight", 0, config.vision.intermediate_size / 2);
  for (const bool calibrated : {false, true}) {
    fs::remove_all(destination_);
    PruneOptions options{.ratio = 0.5};
    if (calibrated) {
      options.calibration = CalibrationData{.pictures = {kPicture}, .prompt = "Read.", .max_new_tokens = 4};
    }
    ASSERT_TRUE(prune_checkpoint(copy.folder(), destination_, options).has_value());
    const auto expected = logits(copy.folder());
    const auto found = logits(destination_);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-3F) << i;
  }
}

TEST_F(SmolvlmPruneTest, AQuantisedCheckpointIsRefused) {
  const CheckpointCopy copy;
  copy.edit("config.json", [](nlohmann::json& json) {
    json["quantization_config"] = {
        {"quant_method", "fovea"}, {"version", 1}, {"weights", "int8"}, {"vision_weights", "int8"}};
  });
  const auto report = prune_checkpoint(copy.folder(), destination_, {.ratio = 0.5});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kUsage);
  EXPECT_FALSE(fs::exists(destination_));
}

}  // namespace
}  // namespace fovea::compress
