#include "server/compute_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <utility>
#include <vector>

namespace fovea::server {
namespace {

using ::testing::ElementsAre;

/// A job that runs until it is told to end.
struct Blocker {
  std::promise<void> started;
  std::promise<void> may_end;

  ComputeQueue::Job job() {
    return [this] {
      started.set_value();
      may_end.get_future().wait();
    };
  }
};

TEST(ComputeQueue, RunsJobsInTheOrderTheyCame) {
  std::vector<int> order;
  std::promise<void> all;
  ComputeQueue queue(10);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.submit([&order, i] { order.push_back(i); }));
  ASSERT_TRUE(queue.submit([&all] { all.set_value(); }));
  all.get_future().wait();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(ComputeQueue, RefusesWhatItHasNoRoomFor) {
  Blocker blocker;
  ComputeQueue queue(2);
  ASSERT_TRUE(queue.submit(blocker.job()));
  EXPECT_FALSE(queue.full());
  ASSERT_TRUE(queue.submit([] {}));
  ASSERT_TRUE(queue.submit([] {}));
  EXPECT_TRUE(queue.full());
  EXPECT_EQ(queue.waiting(), 2);
  const auto refused = queue.submit([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), ComputeQueue::Refusal::kFull);
  EXPECT_GE(queue.retry_after_s(), 1);
  EXPECT_LE(queue.retry_after_s(), 60);
  blocker.may_end.set_value();
}

TEST(ComputeQueue, WithoutALineStillRunsOneJobAtATime) {
  Blocker blocker;
  ComputeQueue queue(0);
  ASSERT_TRUE(queue.submit(blocker.job()));
  EXPECT_FALSE(queue.submit([] {}));
  blocker.may_end.set_value();
}

TEST(ComputeQueue, WithdrawsOnlyWhatHasNotStarted) {
  Blocker blocker;
  bool ran = false;
  ComputeQueue queue(2);
  const auto running = queue.submit(blocker.job());
  const auto waiting = queue.submit([&ran] { ran = true; });
  ASSERT_TRUE(running && waiting);
  EXPECT_FALSE(queue.withdraw(*running));  // also before the thread has woken up
  EXPECT_TRUE(queue.withdraw(*waiting));
  EXPECT_FALSE(queue.withdraw(*waiting));
  blocker.may_end.set_value();
  queue.close();
  EXPECT_FALSE(ran);
}

TEST(ComputeQueue, CloseFinishesTheRunningJobAndDropsTheLine) {
  Blocker blocker;
  std::promise<void> dropped;
  bool ran = false;
  ComputeQueue queue(2);
  std::shared_ptr<void> held(nullptr, [&dropped](void*) { dropped.set_value(); });
  ASSERT_TRUE(queue.submit(blocker.job()));
  ASSERT_TRUE(queue.submit([&ran, held = std::move(held)] { ran = true; }));
  blocker.started.get_future().wait();
  auto closing = std::async(std::launch::async, [&] { queue.close(); });
  dropped.get_future().wait();  // while the running job has not ended
  blocker.may_end.set_value();
  closing.get();
  EXPECT_FALSE(ran);
  const auto refused = queue.submit([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), ComputeQueue::Refusal::kClosed);
  queue.close();
}

}  // namespace
}  // namespace fovea::server
