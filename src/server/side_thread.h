#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace fovea::server {

/// One thread for what must not hold up those that speak HTTP, with a bounded line in front of it.
/// Thread-safe.
class SideThread {
 public:
  using Job = std::move_only_function<void()>;

  explicit SideThread(std::size_t capacity) : capacity_(capacity), thread_([this] { run(); }) {}
  /// Runs what waits, and ends.
  ~SideThread() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
      changed_.notify_one();
    }
    thread_.join();
  }
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

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
  std::thread thread_;
};

}  // namespace fovea::server
