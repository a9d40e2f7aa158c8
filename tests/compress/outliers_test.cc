#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "compress/quantize.h"
#include "engine/generator.h"
#include "evaluate/agreement.h"
#include "support/calm_checkpoint.h"
#include "support/golden.h"

// Trained models have a few channels with activations tens of times as large as the others. Quantised to one
// scale with them, the others would lose their bits.

namespace fovea::compress {
namespace {

using evaluate::Agreement;
using nn::Precision;

constexpr const char* kPrompt = "What card is this?";

std::filesystem::path picture(const char* name) {
  return test::golden_folder("smolvlm-tiny-f32") / "images" / name;
}

/// Plants them as synth/weights.cc does: rows of an early projection into the residual stream of each tower.
void enlarge_rows(const test::CalmCheckpoint& checkpoint, const std::string& name) {
  checkpoint.edit_tensor(name, [](test::CheckpointCopy::Tensor& tensor) {
    test::scale_rows(tensor, 40.0F, [](std::size_t row) { return row == 3 || row == 17 || row == 40; });
  });
}

class OutliersTest : public testing::Test {
 protected:
  OutliersTest() {
    enlarge_rows(source_, "model.text_model.layers.0.mlp.down_proj.weight");
    enlarge_rows(source_, "model.vision_model.encoder.layers.0.mlp.fc2.weight");
  }

  /// How closely the quantised checkpoint follows the floats of its source on pictures that it was not
  /// calibrated with.
  [[nodiscard]] Agreement agreement(const QuantizeOptions& options) const {
    const auto destination = folder_.path() / "quantised";
    EXPECT_TRUE(quantize_checkpoint(source_.folder(), destination, options).has_value());
    const auto reference = engine::Generator::open(source_.folder(), {.model = {}, .threads = 1}).value();
    const auto model = engine::Generator::open(destination, {.model = {}, .threads = 1}).value();
    const std::vector<evaluate::Example> examples{{.image = picture("0_300x420_RGB.png"), .truth = {}},
                                                  {.image = picture("2_90x70_RGBA.png"), .truth = {}}};
    return evaluate::measure_agreement(*reference, *model, {.prompt = kPrompt, .max_new_tokens = 16},
                                       examples, {})
        .value();
  }

  test::CalmCheckpoint source_;
  test::TemporaryFolder folder_;
  CalibrationData calibration_{
      .pictures = {picture("1_1000x260_RGB.png"), picture("3_512x512_L.png"), picture("4_640x480_RGB.jpg")},
      .prompt = kPrompt,
      .max_new_tokens = 16};
};

TEST_F(OutliersTest, Int8KeepsFeaturesAndLogits) {
  const Agreement seen = agreement({.weights = Precision::kInt8, .vision_weights = Precision::kInt8});
  EXPECT_GE(seen.image_features.least, 0.995);
  EXPECT_GE(seen.logits.least, 0.995);
}

TEST_F(OutliersTest, CalibratedInt4TextKeepsLogits) {
  const Agreement seen = agreement(
      {.weights = Precision::kInt4, .vision_weights = Precision::kInt8, .calibration = calibration_});
  EXPECT_GE(seen.image_features.least, 0.995);
  EXPECT_GE(seen.logits.least, 0.98);
}

TEST_F(OutliersTest, CalibratedInt4VisionKeepsFeatures) {
  const Agreement seen = agreement(
      {.weights = Precision::kInt4, .vision_weights = Precision::kInt4, .calibration = calibration_});
  EXPECT_GE(seen.image_features.least, 0.98);
  EXPECT_GE(seen.logits.least, 0.98);
}

}  // namespace
}  // namespace fovea::compress
