#pragma once

#include "cache/timer.h"
#include "routing/call.h"

namespace fovea::routing {

/// The process's own clock. The timer must outlive it. Thread-safe.
class SteadyTimers : public Timers {
 public:
  explicit SteadyTimers(cache::Timer& timer) : timer_(timer) {}

  [[nodiscard]] TimePoint now() const override { return Clock::now(); }
  Id schedule(TimePoint when, std::move_only_function<void()> function) override;
  void cancel(const Id& id) override;

 private:
  cache::Timer& timer_;
};

}  // namespace fovea::routing
