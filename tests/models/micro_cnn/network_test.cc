#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "image/decode.h"
#include "models/micro_cnn/model.h"
#include "models/micro_cnn/preprocess.h"
#include "support/golden.h"

namespace fovea::models::micro_cnn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPicture = 48 * 48 * 3;

fs::path golden(const std::string& name) {
  return test::golden_folder("micro-cnn") / name;
}

template <class T>
std::vector<T> values(const tensor::SafeTensors& file, const std::string& name) {
  const auto* stored = file.find(name);
  EXPECT_NE(stored, nullptr) << name;
  std::vector<T> copy(stored->bytes.size() / sizeof(T));
  std::memcpy(copy.data(), stored->bytes.data(), stored->bytes.size());
  return copy;
}

/// Within 1e-5 of the largest reference value.
void expect_close(const std::vector<float>& found, const std::vector<float>& expected,
                  const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  float largest = 0.0F;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0.0F) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-5F * largest) << what << " at " << i;
  }
}

class VariantTest : public testing::TestWithParam<const char*> {};

TEST_P(VariantTest, GivesTheLogitsOfPyTorch) {
  const auto model = Model::load(golden(GetParam())).value();
  const auto inputs = tensor::SafeTensors::open(golden("inputs.safetensors")).value();
  const auto pixels = values<std::uint8_t>(inputs, "pixels");
  const auto reference = tensor::SafeTensors::open(golden(GetParam()) / "golden.safetensors").value();
  const auto expected = values<float>(reference, "logits");
  std::vector<float> found;
  for (std::size_t i = 0; i < pixels.size() / kPicture; ++i) {
    const auto prediction = model->predict_prepared(std::span(pixels).subspan(i * kPicture, kPicture));
    found.insert(found.end(), prediction.logits.begin(), prediction.logits.end());
  }
  ASSERT_EQ(found.size(), 36U);
  expect_close(found, expected, "logits");
}

TEST_P(VariantTest, GivesWhatTheBlocksOfPyTorchGive) {
  const auto model = Model::load(golden(GetParam())).value();
  const auto inputs = tensor::SafeTensors::open(golden("inputs.safetensors")).value();
  const auto pixels = values<std::uint8_t>(inputs, "pixels");
  const auto reference = tensor::SafeTensors::open(golden(GetParam()) / "golden.safetensors").value();
  const std::vector<Layer> layers = model->layers();
  std::size_t compared = 0;
  const auto logits = model->float_network()->run(
      std::span(pixels).first(kPicture), [&](std::size_t i, const float*, const float* out) {
        const auto block_of = [&](std::size_t at) {
          return layers[at].name.substr(0, layers[at].name.find('.'));
        };
        const std::string block = block_of(i);
        if (!block.starts_with("block") || block_of(i + 1) == block) return;
        const std::size_t size = layers[i].out_size;
        std::vector<float> planar;  // the reference has channels first
        for (std::size_t c = 0; c < layers[i].out_channels; ++c) {
          for (std::size_t p = 0; p < size * size; ++p) {
            planar.push_back(out[p * padded_channels(layers[i].out_channels) + c]);
          }
        }
        expect_close(planar, values<float>(reference, block), block);
        ++compared;
      });
  EXPECT_EQ(logits.size(), model->config().labels.size());
  EXPECT_EQ(compared, 1 + model->config().block_channels.size());
}

INSTANTIATE_TEST_SUITE_P(Golden, VariantTest,
                         testing::Values("v1", "v2", "se4", "se8", "3block", "v1-odd", "v2-odd"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Layers, TheVariantsHaveTheParametersAndProductsTheyAreKnownBy) {
  const std::map<std::string, std::pair<std::size_t, std::size_t>> known = {{"v1", {582, 153'312}},
                                                                            {"v2", {2142, 223'008}},
                                                                            {"se4", {742, 153'472}},
                                                                            {"se8", {662, 153'392}},
                                                                            {"3block", {1430, 177'024}}};
  for (const auto& [name, counts] : known) {
    const auto layers = layers_of(Config::load(golden(name)).value());
    EXPECT_EQ(count_parameters(layers), counts.first) << name;
    EXPECT_EQ(count_macs(layers), counts.second) << name;
  }
}

TEST(Preprocess, GivesTheBytesOfTheReferenceForEverySize) {
  const auto reference = tensor::SafeTensors::open(golden("preprocess/golden.safetensors")).value();
  std::size_t compared = 0;
  for (const auto& entry : fs::directory_iterator(golden("preprocess"))) {
    if (entry.path().extension() != ".png") continue;
    const std::string bytes = read_file(entry.path()).value();
    const image::Image image = image::decode_image(std::as_bytes(std::span(bytes))).value();
    EXPECT_EQ(preprocess(image, 48), values<std::uint8_t>(reference, entry.path().stem().string()))
        << entry.path();
    ++compared;
  }
  EXPECT_GE(compared, 10U);
}

TEST(Preprocess, AveragesTheLargestSideWithoutOverflow) {
  const image::Image image{
      .width = 65'535, .height = 40, .rgb = std::vector<std::uint8_t>(std::size_t{65'535} * 40 * 3, 255)};
  EXPECT_THAT(preprocess(image, 48), testing::Each(255));
}

TEST(Predict, ProbabilitiesFollowTheTemperature) {
  const auto model = Model::load(golden("v1")).value();
  const auto inputs = tensor::SafeTensors::open(golden("inputs.safetensors")).value();
  const auto pixels = values<std::uint8_t>(inputs, "pixels");
  const Prediction prediction = model->predict_prepared(std::span(pixels).first(kPicture));
  float sum = 0;
  float highest = 0;
  for (const float probability : prediction.probabilities) {
    sum += probability;
    highest = std::max(highest, probability);
  }
  EXPECT_NEAR(sum, 1.0F, 1e-6F);
  EXPECT_EQ(prediction.probabilities[prediction.top], highest);
  EXPECT_EQ(model->config().labels.size(), prediction.logits.size());
}

}  // namespace
}  // namespace fovea::models::micro_cnn
