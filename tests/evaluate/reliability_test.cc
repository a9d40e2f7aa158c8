#include "evaluate/reliability.h"

#include <gtest/gtest.h>

#include <vector>

namespace fovea::evaluate {
namespace {

std::vector<Scored> repeated(double confidence, std::size_t right, std::size_t wrong) {
  std::vector<Scored> answers(right, {.confidence = confidence, .right = true});
  answers.insert(answers.end(), wrong, {.confidence = confidence, .right = false});
  return answers;
}

TEST(ReliabilityTest, ConfidencesThatComeTrueHaveNoError) {
  const auto found = reliability(repeated(0.9, 90, 10));
  EXPECT_NEAR(found.error, 0.0, 1e-12);
  EXPECT_EQ(found.n, 100U);
  EXPECT_GE(found.interval95[1], found.error);
}

TEST(ReliabilityTest, TheErrorIsTheMeanDistanceOverAnswers) {
  auto answers = repeated(0.95, 50, 50);       // says 95 %, half are right: 0.45 off
  const auto sure = repeated(0.55, 165, 135);  // says 55 %, 55 % are right
  answers.insert(answers.end(), sure.begin(), sure.end());
  const auto found = reliability(answers);
  EXPECT_NEAR(found.error, 0.45 * 100 / 400, 1e-9);
  EXPECT_LT(found.interval95[0], found.error);
  EXPECT_GT(found.interval95[1], found.error);
  EXPECT_EQ(found.bins[9].count, 100U);
  EXPECT_NEAR(found.bins[9].accuracy, 0.5, 1e-12);
  EXPECT_NEAR(found.bins[5].mean_confidence, 0.55, 1e-12);
}

TEST(ReliabilityTest, CertaintyIsInTheLastBinAndNothingInNone) {
  EXPECT_EQ(reliability(repeated(1.0, 3, 0)).bins[9].count, 3U);
  const auto none = reliability({});
  EXPECT_EQ(none.n, 0U);
  EXPECT_EQ(none.to_json()["bins"].size(), 0U);
}

TEST(ReliabilityTest, IsTheSameEveryTimeAndDrawn) {
  const auto answers = repeated(0.7, 30, 20);
  EXPECT_EQ(reliability(answers).to_json(), reliability(answers).to_json());
  const std::string svg = reliability(answers).to_svg("a < b");
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_NE(svg.find("50 answers"), std::string::npos);
}

}  // namespace
}  // namespace fovea::evaluate
