#include "server/compute_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fovea::server {

ComputeQueue::ComputeQueue(std::size_t capacity) : capacity_(capacity), thread_([this] { run(); }) {}

ComputeQueue::~ComputeQueue() {
  close();
}

std::expected<ComputeQueue::Ticket, ComputeQueue::Refusal> ComputeQueue::submit(Job job) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return std::unexpected(Refusal::kClosed);
  if (busy_ && line_.size() >= capacity_) return std::unexpected(Refusal::kFull);
  const Ticket ticket = next_ticket_++;
  if (busy_) {
    line_.push_back({ticket, std::move(job)});
  } else {
    busy_ = true;
    started_ = std::move(job);
    changed_.notify_one();
  }
  return ticket;
}

bool ComputeQueue::withdraw(Ticket ticket) {
  Job dropped;  // destroyed after the lock is released: its captures may be large
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(line_, ticket, &Entry::ticket);
  if (found == line_.end()) return false;
  dropped = std::move(found->job);
  line_.erase(found);
  return true;
}

bool ComputeQueue::full() const {
  const std::scoped_lock lock(mutex_);
  return busy_ && line_.size() >= capacity_;
}

std::size_t ComputeQueue::waiting() const {
  const std::scoped_lock lock(mutex_);
  return line_.size();
}

int ComputeQueue::retry_after_s() const {
  const std::scoped_lock lock(mutex_);
  const double seconds = usual_duration_.count() * static_cast<double>(line_.size() + 1);
  return static_cast<int>(std::ceil(std::clamp(seconds, 1.0, 60.0)));
}

void ComputeQueue::close() {
  std::deque<Entry> dropped;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    dropped.swap(line_);
    changed_.notify_one();
  }
  dropped.clear();  // outside the lock, and not only when the running job has ended
  if (thread_.joinable()) thread_.join();
}

void ComputeQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return started_ || closed_; });
    if (!started_) return;
    std::optional<Job> job = std::exchange(started_, std::nullopt);
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    (*job)();
    job.reset();  // outside the lock: what it holds may be large
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    lock.lock();
    usual_duration_ = usual_duration_ * 0.8 + took * 0.2;
    if (line_.empty()) {
      busy_ = false;
    } else {
      started_ = std::move(line_.front().job);
      line_.pop_front();
    }
  }
}

}  // namespace fovea::server
