#include "server/rate_limiter.h"

#include <gtest/gtest.h>

namespace fovea::server {
namespace {

using std::chrono::milliseconds;

class RateLimiterTest : public ::testing::Test {
 protected:
  RateLimiter::Clock::time_point now_{};
  RateLimiter limiter_{[this] { return now_; }, 3};
};

TEST_F(RateLimiterTest, LetsABurstThroughAndThenTheRate) {
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limiter_.take("a", 2, 5)) << i;
  EXPECT_EQ(limiter_.take("a", 2, 5), 1);
  now_ += milliseconds(500);
  EXPECT_FALSE(limiter_.take("a", 2, 5));
  EXPECT_TRUE(limiter_.take("a", 2, 5));
  now_ += std::chrono::hours(1);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limiter_.take("a", 2, 5)) << "never more than the burst";
  EXPECT_TRUE(limiter_.take("a", 2, 5));
}

TEST_F(RateLimiterTest, SaysHowLongToWait) {
  EXPECT_FALSE(limiter_.take("a", 0.1, 1));
  EXPECT_EQ(limiter_.take("a", 0.1, 1), 10);
}

TEST_F(RateLimiterTest, KeepsNamesApart) {
  EXPECT_FALSE(limiter_.take("a", 1, 1));
  EXPECT_FALSE(limiter_.take("b", 1, 1));
  EXPECT_TRUE(limiter_.take("a", 1, 1));
}

TEST_F(RateLimiterTest, NoRateIsNoLimit) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter_.take("a", 0, 1));
  EXPECT_EQ(limiter_.names(), 0U);
}

TEST_F(RateLimiterTest, ForgetsNamesRatherThanGrow) {
  for (const char* name : {"a", "b", "c"}) EXPECT_FALSE(limiter_.take(name, 1, 1));
  now_ += std::chrono::seconds(2);
  EXPECT_FALSE(limiter_.take("d", 1, 1));
  EXPECT_EQ(limiter_.names(), 1U) << "the others were full again";
  for (const char* name : {"e", "f", "g"}) limiter_.take(name, 1, 1);
  EXPECT_LE(limiter_.names(), 3U);
}

TEST(AddressCountsTest, CountsConnectionsByAddress) {
  AddressCounts counts;
  auto first = counts.add("a", 2);
  auto second = counts.add("a", 2);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(counts.add("a", 2));
  EXPECT_TRUE(counts.add("b", 2));
  second.reset();
  EXPECT_TRUE(counts.add("a", 2));
  EXPECT_TRUE(counts.add("a", 0)) << "no limit";
}

}  // namespace
}  // namespace fovea::server
