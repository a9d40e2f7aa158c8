#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/request.h"
#include "recognize/priority_line.h"

namespace fovea::recognize {

/// Threads that decode and cut the pictures of one model, where no other number is asked for.
inline constexpr std::size_t kPrepareThreads = 2;

/// A few threads for what must not hold up those that speak HTTP or compute: decoding, cutting into tiles,
/// writing reviews. What waits is done in the order of PriorityLine. Its callers bound how much is under
/// way. Thread-safe.
class TaskPool {
 public:
  explicit TaskPool(std::size_t threads);
  /// Does what waits, then ends.
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  /// Runs `work` on one of the threads; it must not throw.
  void run(engine::Priority priority, std::move_only_function<void()> work);

 private:
  void serve();

  std::mutex mutex_;  // guards all below but threads_
  std::condition_variable changed_;
  PriorityLine<std::move_only_function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fovea::recognize
