#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "support/golden.h"

// The engine around the scheduler: who is let in, who is refused and when to come again, and how it ends.

namespace fovea::engine {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class EngineTest : public testing::Test {
 protected:
  void open(std::size_t max_sequences, std::size_t max_waiting) {
    auto loaded = LoadedModel::open(test::golden_folder("smolvlm-tiny-f32"), {.model = {}, .threads = 1});
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    engine_ = std::make_unique<Engine>(
        std::move(*loaded),
        EngineOptions{.scheduler = {.max_sequences = max_sequences}, .max_waiting = max_waiting});
  }

  /// Answers into `results_`, in the order of their ends.
  GenerationRequest ask(std::size_t tokens = 3) {
    const Turn turn{.role = "user", .content = {"Hello"}};
    GenerationRequest request;
    request.prompt = engine_->prepare({&turn, 1}).value();
    request.max_new_tokens = tokens;
    request.sampling.ignore_eos = true;
    request.on_done = [this](Generation done) {
      const std::lock_guard lock(mutex_);
      results_.push_back(std::move(done));
      ended_.notify_all();
    };
    return request;
  }

  /// Submits a request whose first piece holds the engine up until let_go(), and waits for that piece.
  void hold() {
    gate_ = std::promise<void>();
    std::promise<void> begun;
    auto request = ask();
    request.on_delta = [&begun, gate = gate_.get_future().share(), first = true](const Delta&) mutable {
      if (!std::exchange(first, false)) return;
      begun.set_value();
      gate.wait();
    };
    engine_->submit(std::move(request));
    begun.get_future().wait();
  }
  void let_go() { gate_.set_value(); }

  std::vector<Generation> results(std::size_t count) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return results_.size() >= count; });
    return std::exchange(results_, {});
  }

  /// One answer that takes at least so long, so that the engine's usual_ms is.
  void answer_in(milliseconds least) {
    hold();
    std::this_thread::sleep_for(least);
    let_go();
    results(1);
  }

  static std::vector<ErrorCode> errors(const std::vector<Generation>& results) {
    std::vector<ErrorCode> codes;
    for (const Generation& result : results) {
      if (result.error) codes.push_back(result.error->code);
    }
    return codes;
  }

  std::promise<void> gate_;
  std::mutex mutex_;  // guards results_
  std::condition_variable ended_;
  std::vector<Generation> results_;
  std::unique_ptr<Engine> engine_;  // the last: it ends what calls back
};

TEST_F(EngineTest, AnswersWhatManyThreadsAskAndCountsIt) {
  open(4, 64);
  {
    std::vector<std::jthread> askers;
    for (int i = 0; i < 4; ++i) {
      askers.emplace_back([this] {
        for (int j = 0; j < 5; ++j) engine_->submit(ask());
      });
    }
  }
  const auto all = results(20);
  for (const Generation& result : all) {
    EXPECT_FALSE(result.error.has_value());
    EXPECT_EQ(result.token_ids, all[0].token_ids);
  }
  EXPECT_EQ(engine_->pending(), 0U);
  const EngineStatistics statistics = engine_->statistics();
  EXPECT_EQ(statistics.submitted, 20U);
  EXPECT_EQ(statistics.finished, 20U);
  EXPECT_EQ(statistics.refused, 0U);
  EXPECT_GT(statistics.usual_ms, 0);
}

TEST_F(EngineTest, ARequestIsNoLongerPendingWhenItsAnswerIsTold) {
  open(1, 8);
  std::promise<std::size_t> pending;
  auto request = ask();
  request.on_done = [&](const Generation&) { pending.set_value(engine_->pending()); };
  engine_->submit(std::move(request));
  EXPECT_EQ(pending.get_future().get(), 0U);
}

TEST_F(EngineTest, MoreThanMayWaitAreRefusedAtOnceAndTheOthersAnswered) {
  open(/*max_sequences=*/1, /*max_waiting=*/2);
  hold();
  for (int i = 0; i < 2; ++i) engine_->submit(ask());
  EXPECT_EQ(engine_->pending(), 3U);
  engine_->submit(ask());
  const auto refused = results(1);
  EXPECT_EQ(errors(refused), std::vector{ErrorCode::kOverloaded});
  EXPECT_TRUE(refused[0].token_ids.empty());
  EXPECT_EQ(engine_->pending(), 3U);
  EXPECT_EQ(engine_->statistics().refused, 1U);
  EXPECT_EQ(engine_->statistics().submitted, 3U);
  let_go();
  EXPECT_TRUE(errors(results(3)).empty());
  engine_->submit(ask());
  EXPECT_TRUE(errors(results(1)).empty()) << "there is room again";
}

TEST_F(EngineTest, RetryAfterIsHowLongThosePendingUsuallyTake) {
  open(1, 100);
  EXPECT_EQ(engine_->retry_after_s(), 1) << "nothing is known yet";
  answer_in(milliseconds(300));
  EXPECT_GE(engine_->statistics().usual_ms, 300);
  EXPECT_EQ(engine_->retry_after_s(), 1) << "nothing is pending";
  hold();
  for (int i = 0; i < 9; ++i) engine_->submit(ask());
  const double seconds = 10 * engine_->statistics().usual_ms / 1000;
  EXPECT_GE(engine_->retry_after_s(), 3);
  EXPECT_EQ(engine_->retry_after_s(), std::clamp(static_cast<int>(std::ceil(seconds)), 1, 60));
  let_go();
  results(10);
}

TEST_F(EngineTest, RetryAfterIsNeverMoreThanAMinute) {
  open(1, 400);
  answer_in(milliseconds(300));
  hold();
  for (int i = 0; i < 300; ++i) engine_->submit(ask(1));
  EXPECT_EQ(engine_->retry_after_s(), 60);
  let_go();
  results(301);
}

TEST_F(EngineTest, ADeadlineThatHasPassedIsRefusedAtOnce) {
  open(1, 8);
  auto request = ask();
  request.deadline = Clock::now() - milliseconds(1);
  engine_->submit(std::move(request));
  EXPECT_EQ(errors(results(1)), std::vector{ErrorCode::kDeadline});
  EXPECT_EQ(engine_->statistics().submitted, 0U);
}

TEST_F(EngineTest, ADeadlineThatCannotBeKeptIsRefusedEarlyUnlessThePriorityIsHigh) {
  open(1, 8);
  answer_in(milliseconds(300));
  hold();
  for (int i = 0; i < 3; ++i) engine_->submit(ask());
  // Five turns for who comes last; two at most for who goes past those that wait.
  const auto usual = std::chrono::duration<double, std::milli>(engine_->statistics().usual_ms);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(4 * usual);
  auto normal = ask();
  normal.deadline = deadline;
  engine_->submit(std::move(normal));
  const auto refused = results(1);
  EXPECT_EQ(errors(refused), std::vector{ErrorCode::kDeadline});
  EXPECT_EQ(engine_->pending(), 4U);
  auto urgent = ask();
  urgent.priority = Priority::kHigh;
  urgent.deadline = deadline;
  engine_->submit(std::move(urgent));
  EXPECT_EQ(engine_->pending(), 5U);
  EXPECT_EQ(engine_->statistics().refused, 1U);
  let_go();
  results(5);
}

TEST_F(EngineTest, StoppingEndsWhatRunsAndWhatWaitsAndRefusesWhatComes) {
  open(1, 1000);
  hold();
  engine_->submit(ask(2000));
  std::jthread stopper([this] { engine_->stop(); });
  // The engine is held up in a callback; that it was told to stop shows in what it says to who comes.
  bool stopped = false;
  std::size_t accepted = 2;
  while (!stopped) {
    const std::size_t before = engine_->pending();
    engine_->submit(ask(2000));
    stopped = engine_->pending() == before;
    accepted += stopped ? 0 : 1;
    std::this_thread::yield();
  }
  EXPECT_EQ(errors(results(1)), std::vector{ErrorCode::kUnavailable});
  let_go();
  stopper.join();
  const auto codes = errors(results(accepted));
  EXPECT_EQ(codes.size(), accepted);
  EXPECT_TRUE(std::ranges::all_of(codes, [](ErrorCode code) { return code == ErrorCode::kCancelled; }));
  EXPECT_EQ(engine_->pending(), 0U);
  engine_->stop();  // again: nothing happens
  engine_->submit(ask());
  EXPECT_EQ(errors(results(1)), std::vector{ErrorCode::kUnavailable});
}

TEST_F(EngineTest, WhatIsPendingDrainsWhenNothingNewComes) {
  open(2, 64);
  hold();
  for (int i = 0; i < 10; ++i) engine_->submit(ask(5));
  EXPECT_EQ(engine_->pending(), 11U);
  let_go();
  EXPECT_TRUE(errors(results(11)).empty());
  EXPECT_EQ(engine_->pending(), 0U);
  engine_->stop();
  EXPECT_TRUE(results(0).empty()) << "each was told once";
}

}  // namespace
}  // namespace fovea::engine
