#include "routing/limits.h"

#include <gtest/gtest.h>

#include "routing/sticky.h"

namespace fovea::routing {
namespace {

TEST(RetryBudgetTest, AllowsABurstAndThenAShareOfTheRequests) {
  RetryBudget budget(0.1, 3);
  std::size_t taken = 0;
  for (int i = 0; i < 10; ++i) taken += budget.take() ? 1 : 0;
  EXPECT_EQ(taken, 3U);
  for (int i = 0; i < 1000; ++i) {
    budget.request();
    taken += budget.take() ? 1 : 0;
  }
  EXPECT_LE(taken, 103U);
  EXPECT_GE(taken, 102U) << "a sum of a thousand tenths may fall short by a rounding error";
  EXPECT_EQ(budget.snapshot().retries, taken);
}

TEST(RetryBudgetTest, SavesUpNoMoreThanItsBurst) {
  RetryBudget budget(1, 2);
  for (int i = 0; i < 100; ++i) budget.request();
  EXPECT_TRUE(budget.take());
  EXPECT_TRUE(budget.take());
  EXPECT_FALSE(budget.take());
  EXPECT_EQ(budget.snapshot().denied, 1U);
}

TEST(KillSwitchTest, IsOnUntilItIsTurnedOff) {
  KillSwitch kill_switch;
  EXPECT_FALSE(kill_switch.off("m"));
  kill_switch.turn_off("m", "it invents names", {});
  ASSERT_TRUE(kill_switch.off("m"));
  EXPECT_EQ(kill_switch.off("m")->why, "it invents names");
  EXPECT_FALSE(kill_switch.off("other"));
  kill_switch.turn_on("m");
  EXPECT_FALSE(kill_switch.off("m"));
}

TEST(LatencyTrackerTest, GivesNearestRankQuantilesOfTheLastCalls) {
  LatencyTracker tracker;
  const TimePoint now{std::chrono::hours(1)};
  EXPECT_FALSE(tracker.quantiles(now));
  for (int ms = 100; ms >= 1; --ms) tracker.record(now, ms);
  const auto quantiles = tracker.quantiles(now).value();
  EXPECT_EQ(quantiles.calls, 100U);
  EXPECT_EQ(quantiles.p50_ms, 50);
  EXPECT_EQ(quantiles.p95_ms, 95);
  for (std::size_t i = 0; i < LatencyTracker::kMostCalls; ++i) tracker.record(now, 7);
  EXPECT_EQ(tracker.quantiles(now)->p95_ms, 7) << "the ring holds the last ones";
}

TEST(LatencyTrackerTest, ForgetsOldCalls) {
  LatencyTracker tracker;
  const TimePoint now{std::chrono::hours(1)};
  tracker.record(now, 1000);
  tracker.record(now + std::chrono::minutes(8), 10);
  EXPECT_EQ(tracker.quantiles(now + std::chrono::minutes(11))->p95_ms, 10);
  EXPECT_FALSE(tracker.quantiles(now + std::chrono::minutes(30)));
}

TEST(StickyTest, IsTheSameInEveryReleaseAndSplitsEvenly) {
  // These values are part of the contract: another hash would move clients to another arm.
  EXPECT_DOUBLE_EQ(sticky_point("ab:pizza:m", "oven-1"), sticky_point("ab:pizza:m", "oven-1"));
  EXPECT_NE(sticky_point("a", "bc"), sticky_point("ab", "c"));
  int below = 0, both = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = "client-" + std::to_string(i);
    const bool first = sticky_point("x", key) < 0.3, second = sticky_point("y", key) < 0.3;
    below += first ? 1 : 0;
    both += first && second ? 1 : 0;
  }
  EXPECT_NEAR(below, 3000, 150);
  EXPECT_NEAR(both, 900, 100) << "experiments are independent";
}

}  // namespace
}  // namespace fovea::routing
