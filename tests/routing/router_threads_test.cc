#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "cache/timer.h"
#include "routing/router.h"
#include "routing/simulation.h"
#include "routing/steady_timers.h"
#include "routing/sticky.h"

// The router between real threads: clients on some, models that answer on others, the timer on one more.

namespace fovea::routing {
namespace {

/// Models that answer on threads of their own; some calls fail, some hang until they are stopped.
class ThreadedModels : public ModelCall {
 public:
  explicit ThreadedModels(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~ThreadedModels() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void ask(Ask ask, Done done) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.emplace_back(std::move(ask), std::move(done));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      auto [ask, done] = std::move(waiting_.front());
      waiting_.pop_front();
      const double fate = sticky_point("fate", std::to_string(number_++));
      lock.unlock();
      if (ask.stop.stop_requested()) {
        done(fail(ErrorCode::kCancelled, "stopped"));
      } else if (fate < 0.1) {
        done(fail(ErrorCode::kInternal, "by chance"));
      } else {
        done(test::answer_of({.confidence = fate}));
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Ask, Done>> waiting_;  // guarded by mutex_
  std::size_t number_ = 0;                    // guarded by mutex_
  bool closing_ = false;                      // guarded by mutex_
  std::vector<std::thread> threads_;
};

TEST(RouterThreadsTest, EveryRequestEndsOnceWhileModelsFailClientsLeaveAndOperatorsSwitch) {
  for (const Strategy strategy :
       {Strategy::kSingle, Strategy::kCascade, Strategy::kVerify, Strategy::kEnsemble, Strategy::kShadow}) {
    cache::Timer timer;
    SteadyTimers timers(timer);
    Policy policy = test::policy_of(strategy);
    policy.retries = 1;
    for (auto& [name, model] : policy.models) {
      model.breaker = {.window = std::chrono::milliseconds(50),
                       .minimum_calls = 3,
                       .error_rate = 0.2,
                       .open = std::chrono::milliseconds(2)};
    }
    if (strategy == Strategy::kShadow) {
      policy.tasks["t"].shadow_model = "third";
      policy.tasks["t"].shadow_share = 0.5;
    }
    constexpr std::size_t kClients = 3, kRequests = 150;
    std::atomic<std::size_t> done = 0, wrong = 0;
    {
      ThreadedModels models(2);
      Router router(policy, models, timers, [](const std::string&, const CircuitBreaker::Change&) {});
      std::vector<std::thread> clients;
      for (std::size_t client = 0; client < kClients; ++client) {
        clients.emplace_back([&, client] {
          for (std::size_t i = 0; i < kRequests; ++i) {
            const std::string id = std::to_string(client) + "-" + std::to_string(i);
            std::stop_source stop;
            auto ended = std::make_shared<std::atomic<int>>(0);
            router.execute(
                router.decide({.task = "t", .request_id = id, .key = id}, {}),
                {.task = &test::task_of_one_field()},
                i % 3 == 0 ? std::optional(Clock::now() + std::chrono::milliseconds(i % 20)) : std::nullopt,
                stop.get_token(),
                {.on_preview = [](const std::string&, const Answer&) {},
                 .on_done =
                     [&done, &wrong, ended](const Outcome& outcome) {
                       if (ended->fetch_add(1) != 0) ++wrong;
                       if (outcome.answer.has_value() == outcome.model.empty()) ++wrong;
                       ++done;
                     }});
            if (i % 7 == 0) stop.request_stop();
          }
        });
      }
      clients.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          EXPECT_TRUE(router.turn_off("third", "by turns"));
          (void)router.figures().stats();
          EXPECT_TRUE(router.turn_on("third"));
          EXPECT_TRUE(router.close_breaker("fast"));
        }
      });
      for (std::thread& client : clients) client.join();
    }  // the router ends what is under way
    EXPECT_EQ(done, kClients * kRequests) << strategy_name(strategy);
    EXPECT_EQ(wrong, 0U) << strategy_name(strategy);
  }
}

}  // namespace
}  // namespace fovea::routing
