#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "routing/router.h"

// What the requests of one router share. Private to the room.

namespace fovea::routing {

/// One model as its calls showed it.
class ModelHealth {
 public:
  ModelHealth(const ModelPolicy& policy, TimePoint now, CircuitBreaker::Listener changed)
      : timeout(policy.timeout), breaker(policy.breaker, now, std::move(changed)) {}

  void count(std::uint64_t ModelCounts::* member) {
    const std::lock_guard lock(mutex_);
    ++(counts_.*member);
  }
  [[nodiscard]] ModelCounts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

  const std::chrono::milliseconds timeout;
  CircuitBreaker breaker;
  LatencyTracker latency;

 private:
  mutable std::mutex mutex_;
  ModelCounts counts_;  // guarded by mutex_
};

struct Core {
  Core(Policy given, ModelCall& calls, Timers& clock)
      : policy(std::move(given)),
        models(calls),
        timers(clock),
        retries(policy.retry_budget, policy.retry_burst) {}

  const Policy policy;
  ModelCall& models;
  Timers& timers;
  std::map<std::string, std::unique_ptr<ModelHealth>, std::less<>> health;  // only read once it is made
  RetryBudget retries;
  KillSwitch kill_switch;
  ShadowBook shadows;
  std::atomic<std::size_t> shadows_in_flight = 0;
  std::stop_source closing;

  mutable std::mutex mutex;  // guards the rest
  std::condition_variable idle;
  std::size_t in_flight = 0;
  std::map<std::string, TaskCounts> tasks;

  [[nodiscard]] ModelHealth* find(std::string_view model) const {
    const auto found = health.find(model);
    return found == health.end() ? nullptr : found->second.get();
  }
  void begin() {
    const std::lock_guard lock(mutex);
    ++in_flight;
  }
  void end() {
    const std::lock_guard lock(mutex);
    if (--in_flight == 0) idle.notify_all();
  }
};

inline double milliseconds_between(TimePoint from, TimePoint to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// An answer of the wrong form is an error (kInvalidOutput).
Result<Answer> check_form(const Question& question, Result<Answer> answer);

/// Asks a plan's candidate too and compares its answer with the one that was given. Leaves it where as many
/// are under way as may, or where the candidate is not to be asked.
void shadow(const std::shared_ptr<Core>& core, const std::string& task, const std::string& candidate,
            const std::shared_ptr<const Question>& question, Answer given, double given_ms);

}  // namespace fovea::routing
