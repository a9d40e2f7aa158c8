#include "recognize/confidence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "recognize/calibration.h"
#include "support/temporary_folder.h"

namespace fovea::recognize {
namespace {

using engine::TokenLogprob;

TokenLogprob token(std::string bytes, float logprob) {
  return {.id = 0, .bytes = std::move(bytes), .logprob = logprob, .alternatives = {}};
}

TEST(ConfidenceTest, AMemberHasTheTokensThatSpellItAndEndIt) {
  const std::vector<TokenLogprob> tokens{
      token("{\"name\":\"", 0),   token("A", -0.1F),    token("b", -0.2F),
      token("\",\"hp\":", -0.4F), token("6", -0.8F),    token("0", -1.6F),
      token(",\"x\":", -3.2F),    token("null", -6.4F), token("}", -12.8F)};
  std::string text;
  for (const auto& t : tokens) text += t.bytes;
  const auto found = member_logprobs(text, tokens);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_NEAR(found.at("name"), -0.7, 1e-6) << "the closing quote decides that the name ends";
  EXPECT_NEAR(found.at("hp"), -5.6, 1e-6) << "what follows a number decides that it ends";
  EXPECT_NEAR(found.at("x"), -19.2, 1e-5) << "the token that holds the colon spells no part of the value";
}

TEST(ConfidenceTest, QuotesBackslashesAndNestingInValuesDoNotConfuseIt) {
  const std::string text = R"({"a":"x\",\"b\":1","c":{"d":[1,"}"]},"e":true})";
  std::vector<TokenLogprob> tokens;
  for (const char c : text) tokens.push_back(token(std::string(1, c), -1));
  const auto found = member_logprobs(text, tokens);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found.at("a"), -13.0);
  EXPECT_EQ(found.at("c"), -14.0) << "and the comma behind it";
  EXPECT_EQ(found.at("e"), -5.0);
}

TEST(CalibrationTest, ACurveThatIsNotFittedLeavesProbabilitiesAsTheyAre) {
  const Calibration none;
  EXPECT_NEAR(none.probability("x", std::log(0.7)), 0.7, 1e-12);
  EXPECT_NEAR(Curve{}(std::log(0.7)), 0.7, 1e-9);
}

TEST(CalibrationTest, AnOverconfidentModelIsBroughtDownToHowOftenItIsRight) {
  std::vector<Judged> answers;
  for (int i = 0; i < 1000; ++i) {
    answers.push_back({.logprob = std::log(0.99), .right = i % 10 < 8});  // says 0.99, is right 8 in 10
    answers.push_back({.logprob = std::log(0.60), .right = i % 10 < 3});  // says 0.60, is right 3 in 10
  }
  const Curve curve = fit_curve(answers);
  EXPECT_NEAR(curve(std::log(0.99)), 0.8, 0.01);
  EXPECT_NEAR(curve(std::log(0.60)), 0.3, 0.01);
  EXPECT_LT(curve(std::log(0.30)), curve(std::log(0.60))) << "it rises";
}

TEST(CalibrationTest, AnswersThatWereAllRightLeaveADoubt) {
  std::vector<Judged> answers(50, {.logprob = std::log(0.9), .right = true});
  const double p = fit_curve(answers)(std::log(0.9));
  EXPECT_GT(p, 0.9);
  EXPECT_LT(p, 1.0);
  std::vector<Judged> certain(50, {.logprob = 0.0, .right = true});
  EXPECT_LT(fit_curve(certain)(0.0), 1.0);
}

TEST(CalibrationTest, IsStoredWithTheModelAndCountsForThatModelAndTaskOnly) {
  const test::TemporaryFolder folder;
  Calibration calibration;
  calibration.set("name", {.slope = 0.5, .offset = -0.25});
  ASSERT_TRUE(store_calibration(folder.path(), "card", "digest", "v1", calibration, {{"n", 3}}).has_value());
  ASSERT_TRUE(store_calibration(folder.path(), "other", "digest", "v1", {}, {}).has_value());
  const auto read = load_calibration(folder.path(), "card", "digest", "v1");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->to_json(), calibration.to_json());
  EXPECT_TRUE(load_calibration(folder.path(), "card", "digest", "v2")->empty());
  EXPECT_TRUE(load_calibration(folder.path(), "card", "changed", "v1")->empty());
  EXPECT_TRUE(load_calibration(folder.path(), "unknown", "digest", "v1")->empty());
}

TEST(CalibrationTest, AFileThatIsNoCalibrationIsAnErrorThatNamesIt) {
  const test::TemporaryFolder folder;
  for (
      const char* text :
      {"[", "[]", R"({"card": 1})",
       R"({"card": {"task_digest": "d", "model_version": "v", "fields": {"x": 1}}})",
       R"({"card": {"task_digest": "d", "model_version": "v", "fields": {"x": {"slope": -1, "offset": 0}}}})"}) {
    ASSERT_TRUE(write_file(folder.path() / "calibration.json", text).has_value());
    const auto read = load_calibration(folder.path(), "card", "d", "v");
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_NE(read.error().message.find("calibration.json"), std::string::npos) << read.error().message;
  }
}

}  // namespace
}  // namespace fovea::recognize
