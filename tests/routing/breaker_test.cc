#include "routing/breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace fovea::routing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BreakerTest : public ::testing::Test {
 protected:
  void fails(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) breaker.acquire(now).value().fail(now, milliseconds(5), "broken");
  }
  void succeeds(std::size_t times, milliseconds took = milliseconds(5)) {
    for (std::size_t i = 0; i < times; ++i) breaker.acquire(now).value().succeed(now, took);
  }
  [[nodiscard]] BreakerState state() const { return breaker.snapshot(now).state; }

  TimePoint now{std::chrono::hours(1)};
  std::vector<std::string> changes;
  CircuitBreaker breaker{
      {.window = milliseconds(1000),
       .minimum_calls = 4,
       .error_rate = 0.5,
       .slow_call_rate = 0.75,
       .slow_call = milliseconds(100),
       .open = milliseconds(500),
       .half_open_probes = 2},
      now,
      [this](const CircuitBreaker::Change& change) {
        changes.push_back(std::string(state_name(change.from)) + ">" + state_name(change.to));
      }};
};

TEST_F(BreakerTest, StaysClosedBelowTheMinimumOfCalls) {
  fails(3);
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_TRUE(breaker.acquire(now));
}

TEST_F(BreakerTest, OpensAtTheErrorRateAndLetsNothingThrough) {
  succeeds(2);
  fails(2);
  const auto snapshot = breaker.snapshot(now);
  EXPECT_EQ(snapshot.state, BreakerState::kOpen);
  EXPECT_EQ(snapshot.last_error, "broken");
  EXPECT_EQ(snapshot.opens_for, milliseconds(500));
  EXPECT_EQ(snapshot.opened, 1U);
  EXPECT_FALSE(breaker.acquire(now));
  EXPECT_THAT(changes, ElementsAre("closed>open"));
}

TEST_F(BreakerTest, OpensWhereMostCallsAreSlow) {
  succeeds(1);
  succeeds(3, milliseconds(101));
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, ForgetsCallsOlderThanTheWindow) {
  fails(3);
  now += milliseconds(1001);
  EXPECT_EQ(breaker.snapshot(now).calls, 0U);
  fails(1);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, HalfOpensAfterAWhileForAFewProbesOnly) {
  fails(4);
  now += milliseconds(499);
  EXPECT_FALSE(breaker.acquire(now));
  now += milliseconds(1);
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  auto first = breaker.acquire(now), second = breaker.acquire(now);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(breaker.acquire(now)) << "two probes are out";
  first->succeed(now, milliseconds(5));
  EXPECT_FALSE(breaker.acquire(now)) << "a probe that is done is not given again";
  second->succeed(now, milliseconds(5));
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_EQ(breaker.snapshot(now).calls, 0U) << "the window begins anew";
  EXPECT_THAT(changes, ElementsAre("closed>open", "open>half_open", "half_open>closed"));
}

TEST_F(BreakerTest, OneProbeThatFailsOpensItAgain) {
  fails(4);
  now += milliseconds(500);
  fails(1);
  EXPECT_EQ(state(), BreakerState::kOpen);
  EXPECT_EQ(breaker.snapshot(now).opened, 2U);
}

TEST_F(BreakerTest, ProbesThatAreAllSlowOpenItAgain) {
  fails(4);
  now += milliseconds(500);
  succeeds(2, milliseconds(200));
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, AProbeThatIsWithdrawnMakesRoomForAnother) {
  fails(4);
  now += milliseconds(500);
  {
    const auto dropped = breaker.acquire(now);
  }
  auto withdrawn = breaker.acquire(now);
  withdrawn->withdraw();
  EXPECT_TRUE(breaker.acquire(now));
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
}

TEST_F(BreakerTest, ResultsFromBeforeTheLastChangeAreVoid) {
  auto early = breaker.acquire(now);
  fails(4);
  early->succeed(now, milliseconds(5));
  EXPECT_EQ(state(), BreakerState::kOpen);
  now += milliseconds(500);
  auto probe = breaker.acquire(now);
  fails(1);
  now += milliseconds(500);
  auto next = breaker.acquire(now);
  probe->fail(now, milliseconds(5), "late");
  EXPECT_EQ(state(), BreakerState::kHalfOpen) << "the late probe belongs to the earlier half-open state";
  next->succeed(now, milliseconds(5));
  succeeds(1);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, AForcedCallChangesNothingWhileItIsOpen) {
  fails(4);
  breaker.force(now).succeed(now, milliseconds(5));
  breaker.force(now).fail(now, milliseconds(5), "still broken");
  EXPECT_EQ(state(), BreakerState::kOpen);
  EXPECT_EQ(breaker.snapshot(now).last_error, "still broken");
}

TEST_F(BreakerTest, AnOperatorMayCloseIt) {
  fails(4);
  breaker.reset(now);
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_TRUE(breaker.acquire(now));
  EXPECT_THAT(changes, ElementsAre("closed>open", "open>closed"));
}

}  // namespace
}  // namespace fovea::routing
