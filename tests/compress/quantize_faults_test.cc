#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "compress/quantize.h"
#include "models/smolvlm/model.h"
#include "support/checkpoint_copy.h"

// What fovea quantize refuses; after each, nothing stands where the checkpoint was to be written.

namespace fovea::compress {
namespace {

namespace fs = std::filesystem;
using nn::Precision;
using test::CheckpointCopy;
using testing::AllOf;
using testing::HasSubstr;
using Json = CheckpointCopy::Json;

class QuantizeFaultsTest : public testing::Test {
 protected:
  void expect_refused(const fs::path& source, ErrorCode code, const std::string& reason,
                      const QuantizeOptions& options = {}) const {
    const auto report = quantize_checkpoint(source, destination_, options);
    ASSERT_FALSE(report.has_value()) << reason;
    EXPECT_EQ(report.error().code, code) << report.error().message;
    EXPECT_THAT(report.error().message, HasSubstr(reason));
    EXPECT_TRUE(fs::is_empty(folder_.path())) << "something was left behind: " << reason;
  }

  CheckpointCopy source_;
  test::TemporaryFolder folder_;
  fs::path destination_ = folder_.path() / "quantised";
};

TEST_F(QuantizeFaultsTest, ADestinationThatExistsIsLeftAlone) {
  fs::create_directories(destination_);
  ASSERT_TRUE(write_file(destination_ / "mine.txt", "mine").has_value());
  const auto report = quantize_checkpoint(source_.folder(), destination_, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kUsage);
  EXPECT_THAT(report.error().message, AllOf(HasSubstr(destination_.string()), HasSubstr("exists")));
  EXPECT_EQ(read_file(destination_ / "mine.txt").value(), "mine");
  EXPECT_FALSE(fs::exists(destination_ / "model.safetensors"));
}

TEST_F(QuantizeFaultsTest, ASourceThatIsQuantisedAlreadyIsRefused) {
  ASSERT_TRUE(quantize_checkpoint(source_.folder(), destination_, {}).has_value());
  const test::TemporaryFolder other;
  const auto report = quantize_checkpoint(destination_, other.path() / "again", {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kUsage);
  EXPECT_THAT(report.error().message, HasSubstr("quantised already"));
  EXPECT_TRUE(fs::is_empty(other.path()));
}

TEST_F(QuantizeFaultsTest, AnotherProgramsQuantisationIsNotUnderstood) {
  source_.edit("config.json", [](Json& json) { json["quantization_config"] = {{"quant_method", "gptq"}}; });
  expect_refused(source_.folder(), ErrorCode::kUsage, "quantised already");
  const auto opened = models::smolvlm::Model::load(source_.folder());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidModel);
  EXPECT_THAT(opened.error().message, HasSubstr("gptq"));
}

TEST_F(QuantizeFaultsTest, AnUnknownModelTypeIsNamed) {
  source_.edit("config.json", [](Json& json) { json["model_type"] = "palmistry"; });
  expect_refused(source_.folder(), ErrorCode::kInvalidModel, "palmistry");
}

TEST_F(QuantizeFaultsTest, AMissingSourceIsNamed) {
  expect_refused("/nonexistent", ErrorCode::kNotFound, "/nonexistent");
}

TEST_F(QuantizeFaultsTest, DamagedWeightsAreNamed) {
  source_.edit_tensors([](std::vector<CheckpointCopy::Tensor>& tensors) {
    std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "model.text_model.norm.weight"; });
  });
  expect_refused(source_.folder(), ErrorCode::kInvalidModel, "model.text_model.norm.weight is missing");
}

TEST_F(QuantizeFaultsTest, CalibrationPicturesThatCannotBeReadAreNamed) {
  const CalibrationData data{.pictures = {"/nonexistent.png"}, .prompt = "What is this?"};
  QuantizeOptions options{
      .weights = Precision::kInt4, .vision_weights = Precision::kInt8, .calibration = data};
  expect_refused(source_.folder(), ErrorCode::kNotFound, "/nonexistent.png", options);
  options.calibration->pictures.clear();
  expect_refused(source_.folder(), ErrorCode::kInvalidArgument, "no pictures", options);
}

TEST_F(QuantizeFaultsTest, WhatAnEarlierRunLeftUnfinishedIsReplaced) {
  const fs::path unfinished = destination_.string() + ".unfinished";
  fs::create_directories(unfinished);
  ASSERT_TRUE(write_file(unfinished / "half.safetensors", "half").has_value());
  ASSERT_TRUE(quantize_checkpoint(source_.folder(), destination_.string() + "/", {}).has_value());
  EXPECT_FALSE(fs::exists(unfinished));
  EXPECT_FALSE(fs::exists(destination_ / "half.safetensors"));
  EXPECT_TRUE(fs::exists(destination_ / "model.safetensors"));
}

TEST_F(QuantizeFaultsTest, AnotherPrecisionThanTheStoredOneIsRefusedAtLoad) {
  ASSERT_TRUE(quantize_checkpoint(source_.folder(), destination_, {}).has_value());
  const auto opened = models::smolvlm::Model::load(destination_, {.precision = Precision::kInt4});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(opened.error().message, HasSubstr("holds int8 weights"));
}

}  // namespace
}  // namespace fovea::compress
