#include "recognize/task_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

namespace fovea::recognize {
namespace {

using engine::Priority;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr PriorityLine<std::string>::Time kStart{};

std::vector<std::string> take_all(PriorityLine<std::string>& line, PriorityLine<std::string>::Time now) {
  std::vector<std::string> taken;
  while (!line.empty()) taken.push_back(line.pop(now));
  return taken;
}

TEST(PriorityLineTest, TheHighestGoesFirstAndEachPriorityInTheOrderOfComing) {
  PriorityLine<std::string> line;
  line.push("batch 1", Priority::kBatch, kStart);
  line.push("normal 1", Priority::kNormal, kStart + seconds(1));
  line.push("high 1", Priority::kHigh, kStart + seconds(1));
  line.push("batch 2", Priority::kBatch, kStart + seconds(2));
  line.push("normal 2", Priority::kNormal, kStart + seconds(2));
  line.push("high 2", Priority::kHigh, kStart + seconds(2));
  EXPECT_THAT(take_all(line, kStart + seconds(3)),
              ElementsAre("high 1", "high 2", "normal 1", "normal 2", "batch 1", "batch 2"));
}

TEST(PriorityLineTest, WaitingLiftsToTheNextPrioritySoThatNoneStarves) {
  PriorityLine<std::string> line;
  line.push("batch", Priority::kBatch, kStart);
  line.push("normal", Priority::kNormal, kStart + seconds(4));
  line.push("high", Priority::kHigh, kStart + seconds(9));
  EXPECT_EQ(line.pop(kStart + seconds(10)), "batch") << "it has risen twice and came first";
  line.push("batch again", Priority::kBatch, kStart + seconds(10));
  EXPECT_THAT(take_all(line, kStart + seconds(10)), ElementsAre("normal", "high", "batch again"));
}

TEST(TaskPoolTest, WhatIsUrgentIsNotHeldUpByABacklogThatIsNot) {
  std::vector<std::string> done;
  std::promise<void> started, go_on;  // outlive the pool, whose tasks use them
  {
    TaskPool pool(1);
    pool.run(Priority::kBatch, [&] {
      started.set_value();
      go_on.get_future().wait();
    });
    started.get_future().wait();
    for (const char* name : {"batch 1", "batch 2"}) {
      pool.run(Priority::kBatch, [&done, name] { done.emplace_back(name); });
    }
    pool.run(Priority::kNormal, [&done] { done.emplace_back("normal"); });
    pool.run(Priority::kHigh, [&done] { done.emplace_back("high"); });
    go_on.set_value();
  }
  EXPECT_THAT(done, ElementsAre("high", "normal", "batch 1", "batch 2"));
}

}  // namespace
}  // namespace fovea::recognize
