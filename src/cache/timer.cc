#include "cache/timer.h"

namespace fovea::cache {

Timer::Timer() : thread_([this] { run(); }) {}

Timer::~Timer() {
  stop();
}

void Timer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  std::map<Id, Function> forgotten;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  forgotten.swap(waiting_);
}

Timer::Id Timer::schedule(Clock::time_point when, Function function) {
  bool sooner = false;
  Id id;
  {
    const std::lock_guard lock(mutex_);
    id = {when, next_++};
    if (stopping_) return id;
    waiting_.emplace(id, std::move(function));
    // Most functions are cancelled: a thread that will look early enough is left asleep.
    sooner = when < wakes_at_;
  }
  if (sooner) changed_.notify_one();
  return id;
}

void Timer::cancel(const Id& id) {
  Function forgotten;  // destroyed without the lock: what it owns may cancel in turn
  const std::lock_guard lock(mutex_);
  if (const auto place = waiting_.find(id); place != waiting_.end()) {
    forgotten = std::move(place->second);
    waiting_.erase(place);
  }
}

void Timer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waiting_.empty()) {
      wakes_at_ = Clock::time_point::max();
      changed_.wait(lock);
      continue;
    }
    const auto first = waiting_.begin();
    if (const Clock::time_point when = first->first.first; when > Clock::now()) {
      wakes_at_ = when;
      changed_.wait_until(lock, when);
      continue;
    }
    Function function = std::move(first->second);
    waiting_.erase(first);
    lock.unlock();
    function();
    function = nullptr;  // what it owned goes without the lock
    lock.lock();
  }
}

}  // namespace fovea::cache
