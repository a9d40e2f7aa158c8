#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "compress/prune.h"
#include "models/micro_cnn/model.h"
#include "support/checkpoint_copy.h"
#include "support/micro_cnn.h"

namespace fovea::compress {
namespace {

namespace fs = std::filesystem;
namespace micro = models::micro_cnn;
using testing::ElementsAre;
using testing::HasSubstr;

/// Pictures of the reference data; real files, since they come through the decoder.
CalibrationData pictures() {
  CalibrationData data;
  for (const char* name : {"31x20", "47x53", "48x48", "49x96", "97x200", "200x97", "640x480", "rgb565"}) {
    data.pictures.push_back(test::micro_cnn_folder("preprocess") / (std::string(name) + ".png"));
  }
  return data;
}

class MicroCnnPruneTest : public testing::Test {
 protected:
  [[nodiscard]] Result<PruneReport> prune(const fs::path& source, const PruneOptions& options) {
    destination_ = folder_.path() / std::to_string(++count_);
    return prune_checkpoint(source, destination_, options);
  }

  test::TemporaryFolder folder_;
  fs::path destination_;
  int count_ = 0;
};

TEST_F(MicroCnnPruneTest, EveryVariantBecomesSmallerAndLoads) {
  for (const char* golden : {"v1", "v2", "se4", "se8", "3block", "v1-odd", "v2-odd"}) {
    for (const bool calibrated : {false, true}) {
      PruneOptions options{.ratio = 0.5};
      if (calibrated) options.calibration = pictures();
      const auto report = prune(test::micro_cnn_folder(golden), options);
      ASSERT_TRUE(report.has_value()) << golden << ": " << report.error().message;
      const auto model = micro::Model::load(destination_);
      ASSERT_TRUE(model.has_value()) << golden << ": " << model.error().message;
      EXPECT_EQ(report->parameters_after, micro::count_parameters((*model)->layers())) << golden;
      EXPECT_LT(report->parameters_after, report->parameters_before * 6 / 10) << golden;
      EXPECT_LT(report->macs_after, report->macs_before * 6 / 10) << golden;
      EXPECT_LT(report->bytes_after, report->bytes_before) << golden;
    }
  }
}

TEST_F(MicroCnnPruneTest, TheConfigurationSaysWhatIsLeft) {
  ASSERT_TRUE(prune(test::micro_cnn_folder("v2"), {.ratio = 0.25}).has_value());
  const auto config = micro::Config::load(destination_).value();
  EXPECT_EQ(config.stem_channels, 6U);
  EXPECT_THAT(config.hidden_channels, ElementsAre(36));
  EXPECT_THAT(config.block_channels, ElementsAre(12));
}

/// A channel that puts nothing into what follows goes first, and its going changes nothing.
TEST_F(MicroCnnPruneTest, AChannelThatDoesNothingIsTheOneThatGoes) {
  for (const bool calibrated : {false, true}) {
    const test::CheckpointCopy copy("micro-cnn/v1");
    // The stem's channel 5: the pointwise product [16, 8, 1, 1] does not look at it.
    copy.edit_tensor("block2.3.weight", [](test::CheckpointCopy::Tensor& tensor) {
      for (std::size_t o = 0; o < 16; ++o) std::memset(tensor.bytes.data() + (o * 8 + 5) * 4, 0, 4);
    });
    // The block's channel 3 has a twin's weights of nothing in the classifier [6, 16].
    copy.edit_tensor("classifier.2.weight", [](test::CheckpointCopy::Tensor& tensor) {
      for (const std::size_t channel : {3U, 9U}) {
        for (std::size_t o = 0; o < 6; ++o) std::memset(tensor.bytes.data() + (o * 16 + channel) * 4, 0, 4);
      }
    });
    PruneOptions options{.ratio = 0.125};
    if (calibrated) options.calibration = pictures();
    ASSERT_TRUE(prune(copy.folder(), options).has_value());
    const auto whole = micro::Model::load(copy.folder()).value();
    const auto pruned = micro::Model::load(destination_).value();
    EXPECT_EQ(pruned->config().stem_channels, 7U);
    EXPECT_THAT(pruned->config().block_channels, ElementsAre(14));
    for (const auto& picture : test::seeded_pictures(10)) {
      const auto expected = whole->predict_prepared(picture).logits;
      const auto found = pruned->predict_prepared(picture).logits;
      float largest = 0;
      for (const float logit : expected) largest = std::max(largest, std::abs(logit));
      // With pictures the rest is fitted anew: the same where the pictures determine it.
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_NEAR(found[i], expected[i], (calibrated ? 2e-2F : 1e-5F) * largest);
      }
    }
  }
}

TEST_F(MicroCnnPruneTest, PicturesBringThePrunedNetworkNearer) {
  const fs::path source = test::micro_cnn_folder("3block");
  const auto whole = micro::Model::load(source).value();
  const auto error = [&](const fs::path& folder) {
    const auto pruned = micro::Model::load(folder).value();
    double squares = 0;
    for (const auto& path : pictures().pictures) {
      const std::string bytes = read_file(path).value();
      const auto picture = image::decode_image(std::as_bytes(std::span(bytes))).value();
      const auto expected = whole->predict(picture).logits;
      const auto found = pruned->predict(picture).logits;
      for (std::size_t i = 0; i < found.size(); ++i) squares += std::pow(found[i] - expected[i], 2);
    }
    return squares;
  };
  ASSERT_TRUE(prune(source, {.ratio = 0.25}).has_value());
  const double without = error(destination_);
  ASSERT_TRUE(prune(source, {.ratio = 0.25, .calibration = pictures()}).has_value());
  EXPECT_LT(error(destination_), without);
}

TEST_F(MicroCnnPruneTest, WhatCannotBePrunedIsNamedAndNothingIsLeft) {
  const auto nothing_left = [&] {
    for (const auto& entry : fs::directory_iterator(folder_.path())) ADD_FAILURE() << entry.path();
  };
  for (const double ratio : {0.0, 1.0, -1.0, std::nan("")}) {
    EXPECT_EQ(prune(test::micro_cnn_folder("v1"), {.ratio = ratio}).error().code, ErrorCode::kUsage);
  }
  const test::CheckpointCopy other("micro-cnn/v1");
  other.edit("config.json", [](nlohmann::json& json) { json["model_type"] = "resnet"; });
  const auto refused = prune(other.folder(), {.ratio = 0.5});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_THAT(refused.error().message, HasSubstr("resnet"));
  const test::CheckpointCopy copy("micro-cnn/v1");
  copy.edit_tensors([](std::vector<test::CheckpointCopy::Tensor>& tensors) { tensors.pop_back(); });
  EXPECT_EQ(prune(copy.folder(), {.ratio = 0.5}).error().code, ErrorCode::kInvalidModel);
  nothing_left();
}

TEST(Units, ARatioLeavesAtLeastOneUnit) {
  EXPECT_EQ(units_left(8, 0.1), 7U);
  EXPECT_EQ(units_left(16, 0.25), 12U);
  EXPECT_EQ(units_left(1, 0.9), 1U);
  EXPECT_EQ(units_left(3, 0.99), 1U);
  EXPECT_THAT(most_important({1.0, 5.0, 5.0, 0.5, 9.0}, 3), ElementsAre(1, 2, 4));
}

}  // namespace
}  // namespace fovea::compress
