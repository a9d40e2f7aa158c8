#include "evaluate/paired.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fovea::evaluate {
namespace {

using testing::ElementsAre;

PairedComparison pair_of(std::size_t both, std::size_t only_a, std::size_t only_b, std::size_t neither) {
  PairedComparison pair;
  pair.both = both;
  pair.only_a = only_a;
  pair.only_b = only_b;
  pair.neither = neither;
  return pair;
}

TEST(PairedComparisonTest, CountsWhatEachModelHasRightAlone) {
  Evaluation a, b;
  a.model = "a";
  b.model = "b";
  a.right = {true, true, true, false, false, true};
  b.right = {true, false, false, true, false, true};
  const PairedComparison pair = compare_paired(a, b);
  EXPECT_EQ(pair.both, 2U);
  EXPECT_EQ(pair.only_a, 2U);
  EXPECT_EQ(pair.only_b, 1U);
  EXPECT_EQ(pair.neither, 1U);
  EXPECT_NEAR(pair.difference(), 1.0 / 6, 1e-12);
}

TEST(PairedComparisonTest, IntervalEqualsTheFormulaComputedElsewhere) {
  const auto expect_interval = [](const PairedComparison& pair, double low, double high) {
    const auto interval = pair.interval95();
    EXPECT_NEAR(interval[0], low, 5e-5) << pair.only_a << " against " << pair.only_b;
    EXPECT_NEAR(interval[1], high, 5e-5) << pair.only_a << " against " << pair.only_b;
  };
  expect_interval(pair_of(20, 12, 2, 16), 0.0562, 0.3292);
  expect_interval(pair_of(36, 12, 2, 0), 0.0569, 0.3404);
  expect_interval(pair_of(53, 0, 0, 1), -0.0729, 0.0729);
  expect_interval(pair_of(53, 1, 0, 0), -0.0496, 0.0977);
  expect_interval(pair_of(0, 30, 0, 0), 0.8395, 1.0);
  expect_interval(pair_of(1800, 100, 40, 108), 0.0181, 0.0409);
}

TEST(PairedComparisonTest, ExchangingTheModelsTurnsTheIntervalRound) {
  const auto there = pair_of(50, 9, 4, 7).interval95();
  const auto back = pair_of(50, 4, 9, 7).interval95();
  EXPECT_NEAR(there[0], -back[1], 1e-12);
  EXPECT_NEAR(there[1], -back[0], 1e-12);
}

TEST(PairedComparisonTest, AgreementOnEasyAndHardPicturesNarrowsTheInterval) {
  const auto width = [](const PairedComparison& pair) { return pair.interval95()[1] - pair.interval95()[0]; };
  EXPECT_LT(width(pair_of(80, 5, 5, 10)), width(pair_of(72, 13, 13, 2)));
}

TEST(PairedComparisonTest, KnowsNothingFromNothing) {
  const PairedComparison pair;
  EXPECT_EQ(pair.difference(), 0.0);
  EXPECT_THAT(pair.interval95(), ElementsAre(-1.0, 1.0));
}

}  // namespace
}  // namespace fovea::evaluate
