#include "recognize/recognizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support/checkpoint_copy.h"

namespace fovea::recognize {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

const std::vector<std::string> kContractKeys{"request_id", "file",          "ok",     "error",      "task",
                                             "model",      "model_version", "fields", "confidence", "cached",
                                             "degraded",   "decision",      "timings"};

TEST(RecognitionTest, HasExactlyTheContractsKeysInOrder) {
  Recognition answer;
  answer.request_id = "r1";
  answer.file = "a.jpg";
  answer.task = "t";
  answer.model = "m";
  answer.model_version = "v";
  answer.fields = {{"zebra", 1}, {"ant", nullptr}};
  answer.rule = "single";
  answer.why = "because";
  answer.timings = {1, 2, 3, 4, 5, 6};
  const Json json = answer.to_json();
  EXPECT_EQ(keys(json), kContractKeys);
  EXPECT_EQ(json["ok"], true);
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_THAT(keys(json["fields"]), ElementsAre("zebra", "ant"));
  EXPECT_TRUE(json["confidence"].is_null());
  EXPECT_TRUE(json["cached"].is_null());
  EXPECT_EQ(json["degraded"], false);
  EXPECT_EQ(json["decision"], Json({{"rule", "single"}, {"model", "m"}, {"why", "because"}}));
  EXPECT_EQ(json["timings"], Json({{"queue_ms", 1.0},
                                   {"image_ms", 2.0},
                                   {"vision_ms", 3.0},
                                   {"prefill_ms", 4.0},
                                   {"decode_ms", 5.0},
                                   {"total_ms", 6.0}}));
}

TEST(RecognitionTest, AFailureHasTheSameKeysAndSaysItsTypeAndDetail) {
  Recognition answer;
  answer.error = Error{ErrorCode::kInvalidImage, "cut short"};
  const Json json = answer.to_json();
  EXPECT_EQ(keys(json), kContractKeys);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["error"], Json({{"type", "invalid_image"}, {"detail", "cut short"}}));
  EXPECT_EQ(json["fields"], Json::object());
}

class RecognizerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto opened = Recognizer::open(test::golden_folder("smolvlm-tiny-f32"), {.model = {}, .threads = 1},
                                   {.max_pixels = 400'000});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    recognizer_ = std::move(*opened);
    picture_ = read_file(test::golden_folder("smolvlm-tiny-f32") / "images/2_90x70_RGBA.png").value();
  }
  static void TearDownTestSuite() { recognizer_.reset(); }

  static Recognition recognize(const std::string& bytes, const std::string& task = "trading-card") {
    return recognizer_->recognize(
        {.request_id = "", .file = "f.png", .bytes = std::as_bytes(std::span(bytes)), .task = task});
  }
  static void expect_error(const Recognition& answer, ErrorCode code, const std::string& detail) {
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(error_name(answer.error->code), std::string(error_name(code))) << answer.error->message;
    EXPECT_THAT(answer.error->message, HasSubstr(detail));
    EXPECT_TRUE(answer.fields.empty());
    EXPECT_EQ(answer.file, "f.png");
    EXPECT_EQ(answer.model, "smolvlm-tiny-f32");
  }

  static std::unique_ptr<Recognizer> recognizer_;
  static std::string picture_;
};

std::unique_ptr<Recognizer> RecognizerTest::recognizer_;
std::string RecognizerTest::picture_;

TEST_F(RecognizerTest, AnAnswerThatIsNotWhatWasAskedForIsAnErrorAndNeverADefault) {
  // Random weights know no cards: their answer never ends.
  const Recognition answer = recognize(picture_);
  expect_error(answer, ErrorCode::kInvalidOutput, "did not end within 256 tokens; it begins: \"");
  EXPECT_GT(answer.timings.vision_ms, 0);
  EXPECT_GT(answer.timings.prefill_ms, 0);
  EXPECT_GE(answer.timings.total_ms, answer.timings.vision_ms);
  EXPECT_EQ(answer.rule, "single");
}

TEST_F(RecognizerTest, EveryBadPictureHasItsError) {
  expect_error(recognize(""), ErrorCode::kInvalidArgument, "");
  expect_error(recognize("GIF89a not one of ours"), ErrorCode::kUnsupportedMedia, "");
  expect_error(recognize("plain text"), ErrorCode::kUnsupportedMedia, "");
  expect_error(recognize(picture_.substr(0, picture_.size() / 2)), ErrorCode::kInvalidImage, "");
  expect_error(recognize(picture_.substr(0, 20)), ErrorCode::kInvalidImage, "");

  std::string no_pixels = picture_;
  for (int i = 16; i < 20; ++i) no_pixels[i] = '\0';  // IHDR's width
  expect_error(recognize(no_pixels), ErrorCode::kInvalidImage, "");

  const std::string large =
      read_file(std::filesystem::path(FOVEA_TEST_DATA) / "golden/smolvlm-tiny-f32/images/0_300x420_RGB.png")
          .value();
  std::string huge = large;
  huge[18] = huge[22] = '\x4E';  // 20,000 x 20,000 or so, as the header says
  expect_error(recognize(huge), ErrorCode::kTooLarge, "");
}

TEST_F(RecognizerTest, AnUnknownTaskIsRefusedWithTheKnownOnes) {
  expect_error(recognize(picture_, "palmistry"), ErrorCode::kInvalidArgument, "trading-card");
  EXPECT_FALSE(recognizer_->has_task("palmistry"));
  EXPECT_TRUE(recognizer_->has_task("trading-card"));
}

TEST_F(RecognizerTest, AFailureLeavesTheNextPictureAlone) {
  const Recognition before = recognize(picture_);
  recognize("rubbish");
  const Recognition after = recognize(picture_);
  EXPECT_EQ(after.error->message, before.error->message);
}

TEST_F(RecognizerTest, RequestIdsAreKeptOrMade) {
  const std::string empty;
  EXPECT_EQ(recognizer_->recognize({.request_id = "mine", .file = "", .bytes = {}}).request_id, "mine");
  std::set<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    ids.insert(recognizer_->recognize({.request_id = "", .file = "", .bytes = {}}).request_id);
  }
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_FALSE(ids.contains(""));
}

TEST_F(RecognizerTest, SaysWhichModelItIs) {
  const auto models = recognizer_->models();
  ASSERT_EQ(models.size(), 1U);
  EXPECT_EQ(models[0].id, "smolvlm-tiny-f32");
  EXPECT_THAT(models[0].version, testing::MatchesRegex("[0-9a-f]{12}"));
}

TEST_F(RecognizerTest, AnAnswerThatEndsButIsNoJsonIsAnErrorWithItsBeginning) {
  const test::CheckpointCopy checkpoint;
  checkpoint.edit("generation_config.json", [](auto& json) {
    json["eos_token_id"] = nlohmann::json::array();
    for (int id = 0; id < 900; ++id) json["eos_token_id"].push_back(id);
  });
  const auto opened = Recognizer::open(checkpoint.folder(), {.model = {}, .threads = 1});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const Recognition answer =
      (*opened)->recognize({.request_id = "", .file = "", .bytes = std::as_bytes(std::span(picture_))});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error->code, ErrorCode::kInvalidOutput);
  EXPECT_THAT(answer.error->message, testing::AllOf(HasSubstr("trading-card"), HasSubstr("it begins: \"")));
}

TEST(RecognizerOpenTest, ADamagedCheckpointIsNotOpened) {
  const test::CheckpointCopy checkpoint;
  checkpoint.write("model.safetensors", "short");
  const auto opened = Recognizer::open(checkpoint.folder(), {.model = {}, .threads = 1});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidModel);
}

}  // namespace
}  // namespace fovea::recognize
