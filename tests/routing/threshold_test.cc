#include "routing/threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fovea::routing {
namespace {

using ::testing::HasSubstr;

/// Synthetic: the fast model is right as often as it says, the accurate one in 97 of 100 cases.
std::vector<CascadeExample> calibrated(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<CascadeExample> examples(n);
  for (CascadeExample& example : examples) {
    example.confidence = std::sqrt(uniform(random));
    example.fast_right = uniform(random) < example.confidence;
    example.accurate_right = uniform(random) < 0.97;
  }
  return examples;
}

CascadePoint counted(const std::vector<CascadeExample>& examples, double threshold, double cost) {
  std::size_t right = 0, up = 0;
  for (const CascadeExample& example : examples) {
    const bool escalated = example.confidence < threshold;
    up += escalated ? 1 : 0;
    right += (escalated ? example.accurate_right : example.fast_right) ? 1 : 0;
  }
  const auto n = static_cast<double>(examples.size());
  return {.threshold = threshold,
          .escalated = static_cast<double>(up) / n,
          .accuracy = static_cast<double>(right) / n,
          .cost = cost + static_cast<double>(up) / n};
}

TEST(ThresholdTest, EveryPointOfTheSweepIsWhatCountingGives) {
  auto examples = calibrated(200, 1);
  for (std::size_t i = 0; i < 60; ++i) examples[i].confidence = 0.5;  // ties
  const auto points = ThresholdChooser::make(examples, 0.1)->sweep();
  EXPECT_EQ(points.size(), 200 - 59 + 1U);
  EXPECT_EQ(points.front().escalated, 0);
  EXPECT_EQ(points.back().escalated, 1);
  for (const CascadePoint& point : points) {
    const CascadePoint expected = counted(examples, point.threshold, 0.1);
    EXPECT_DOUBLE_EQ(point.escalated, expected.escalated);
    EXPECT_DOUBLE_EQ(point.accuracy, expected.accuracy);
    EXPECT_DOUBLE_EQ(point.cost, expected.cost);
  }
}

TEST(ThresholdTest, TakesTheCheapestCascadeThatReachesTheTarget) {
  const auto examples = calibrated(2000, 2);
  const auto chooser = ThresholdChooser::make(examples, 0.1).value();
  const auto choice = chooser.for_accuracy(0.9);
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_GE(choice->chosen.accuracy, 0.9);
  for (const CascadePoint& point : chooser.sweep()) {
    if (point.accuracy >= 0.9) {
      EXPECT_GE(point.cost, choice->chosen.cost);
    }
  }
  EXPECT_NEAR(choice->fast_accuracy, 2.0 / 3, 0.03);
  EXPECT_NEAR(choice->accurate_accuracy, 0.97, 0.02);
  EXPECT_LE(choice->interval95[0], choice->expected_accuracy);
  EXPECT_GE(choice->interval95[1], choice->expected_accuracy);
}

TEST(ThresholdTest, TheExpectedAccuracyHoldsOnPicturesThatWereNotSeen) {
  int inside = 0;
  constexpr int kTrials = 40;
  for (unsigned seed = 0; seed < kTrials; ++seed) {
    const auto choice = ThresholdChooser::make(calibrated(1000, 100 + seed), 0.1)->for_accuracy(0.9).value();
    const double fresh = counted(calibrated(20'000, 9000 + seed), choice.chosen.threshold, 0.1).accuracy;
    inside += fresh >= choice.interval95[0] && fresh <= choice.interval95[1] ? 1 : 0;
  }
  EXPECT_GE(inside, 36) << "of 40 intervals of 95 %";
}

TEST(ThresholdTest, ABudgetBuysTheMostAccurateCascadeItCanPay) {
  const auto examples = calibrated(2000, 3);
  const auto chooser = ThresholdChooser::make(examples, 0.1).value();
  const auto choice = chooser.for_budget(0.4).value();
  EXPECT_LE(choice.chosen.cost, 0.4);
  for (const CascadePoint& point : chooser.sweep()) {
    if (point.cost <= 0.4) {
      EXPECT_LE(point.accuracy, choice.chosen.accuracy);
    }
  }
  EXPECT_EQ(chooser.for_budget(0.1)->chosen.escalated, 0);
  EXPECT_THAT(chooser.for_budget(0.05).error().message, HasSubstr("at least 0.1000"));
}

TEST(ThresholdTest, SaysWhatCanBeReachedWhereTheTargetCannot) {
  const auto choice = ThresholdChooser::make(calibrated(500, 4), 0.1)->for_accuracy(0.999);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(choice.error().message, HasSubstr("the most is 0."));
}

TEST(ThresholdTest, NeedsNoCascadeWhereTheFastModelIsGoodEnough) {
  auto examples = calibrated(100, 5);
  for (CascadeExample& example : examples) example.fast_right = true;
  const auto choice = ThresholdChooser::make(examples, 0.1)->for_accuracy(1).value();
  EXPECT_EQ(choice.chosen.threshold, 0);
  EXPECT_EQ(choice.expected_escalated, 0);
}

TEST(ThresholdTest, AConfidenceOfOneIsNeverEscalated) {
  auto examples = calibrated(100, 6);
  for (CascadeExample& example : examples) example.confidence = 1;
  const auto points = ThresholdChooser::make(examples, 0.1)->sweep();
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].escalated, 0);
}

TEST(ThresholdTest, RefusesTooFewPicturesAndWhatIsNoConfidence) {
  EXPECT_FALSE(ThresholdChooser::make(calibrated(19, 7), 0.1));
  EXPECT_FALSE(ThresholdChooser::make(calibrated(20, 7), -1));
  auto examples = calibrated(20, 7);
  examples[3].confidence = std::nan("");
  EXPECT_FALSE(ThresholdChooser::make(examples, 0.1));
}

}  // namespace
}  // namespace fovea::routing
