#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace fovea::server {

/// One thread that runs jobs in the order they came, and a bounded line of jobs in front of it. The threads
/// that do input and output only ever put jobs in and never wait for them.
///
/// Thread-safe, except close() and the destructor, which one thread calls.
class ComputeQueue {
 public:
  using Job = std::move_only_function<void()>;
  using Ticket = std::uint64_t;
  enum class Refusal { kFull, kClosed };

  /// `capacity`: how many jobs may wait behind the one that runs.
  explicit ComputeQueue(std::size_t capacity);
  ~ComputeQueue();
  ComputeQueue(const ComputeQueue&) = delete;
  ComputeQueue& operator=(const ComputeQueue&) = delete;

  /// Puts a job at the end of the line. A job must not throw. When nothing is running the job counts as
  /// started at once, so that what withdraw() does never depends on how quickly the thread wakes up.
  std::expected<Ticket, Refusal> submit(Job job);

  /// Takes a job out of the line; false when it has started (or ended) and so cannot be withdrawn.
  bool withdraw(Ticket ticket);

  [[nodiscard]] bool full() const;
  [[nodiscard]] std::size_t waiting() const;

  /// Seconds, 1 to 60, after which a place in a full line is likely: the line's length times what jobs took
  /// lately.
  [[nodiscard]] int retry_after_s() const;

  /// Throws away the jobs in the line, waits for the one that runs, and ends the thread. Idempotent.
  void close();

 private:
  struct Entry {
    Ticket ticket;
    Job job;
  };

  void run();

  const std::size_t capacity_;
  mutable std::mutex mutex_;  // guards all below but thread_
  std::condition_variable changed_;
  std::deque<Entry> line_;
  std::optional<Job> started_;  // handed to the thread, which has not taken it yet
  bool busy_ = false;           // a job is started and has not ended
  bool closed_ = false;
  Ticket next_ticket_ = 1;
  std::chrono::duration<double> usual_duration_{1.0};
  std::thread thread_;
};

}  // namespace fovea::server
