#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace fovea::cache {

using Clock = std::chrono::steady_clock;

/// A thread that calls functions when their time has come. Thread-safe.
class Timer {
 public:
  using Function = std::move_only_function<void()>;
  /// Names a function that was scheduled.
  using Id = std::pair<Clock::time_point, std::uint64_t>;

  Timer();
  ~Timer();  ///< stop()
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// `function` must be short: all others wait for it. It may schedule and cancel.
  Id schedule(Clock::time_point when, Function function);

  /// Waits for the function that runs, and calls no other: those that wait are forgotten, as is what is
  /// scheduled later. Not to be called by one of them.
  void stop();

  /// Forgets a function that has not begun. Does not wait for one that has.
  void cancel(const Id& id);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Id, Function> waiting_;  // guarded by mutex_
  std::uint64_t next_ = 0;          // guarded by mutex_
  Clock::time_point wakes_at_;      // guarded by mutex_: when the thread looks again by itself
  bool stopping_ = false;           // guarded by mutex_
  std::thread thread_;
};

}  // namespace fovea::cache
