#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace fovea::server {

/// Threads for what must not hold up those that speak HTTP, with a bounded line in front of them.
/// Thread-safe.
class SideThreads {
 public:
  using Job = std::move_only_function<void()>;

  SideThreads(std::size_t threads, std::size_t capacity) : capacity_(capacity) {
    while (threads_.size() < threads) threads_.emplace_back([this] { run(); });
  }
  /// Runs what waits, and ends.
  ~SideThreads() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  SideThreads(const SideThreads&) = delete;
  SideThreads& operator=(const SideThreads&) = delete;

  /// Puts a job at the end of the line, which must not throw; false when the line is full.
  bool submit(Job job) {
    const std::scoped_lock lock(mutex_);
    if (line_.size() >= capacity_) return false;
    line_.push_back(std::move(job));
    changed_.notify_one();
    return true;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ended_ || !line_.empty(); });
      if (line_.empty()) return;
      Job job = std::move(line_.front());
      line_.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // what it holds may be large
      lock.lock();
    }
  }

  const std::size_t capacity_;
  std::mutex mutex_;  // guards the next three
  std::condition_variable changed_;
  std::deque<Job> line_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fovea::server
