#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "server/http.h"
#include "server/problem.h"

namespace fovea::server {

/// How many questions are with the backend, whose answers refer to the server. Thread-safe.
class InFlight {
 public:
  void begin() {
    const std::scoped_lock lock(mutex_);
    ++count_;
  }
  void end() {
    const std::scoped_lock lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void wait_until_none() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;  // guards count_
  std::condition_variable none_;
  std::size_t count_ = 0;
};

/// The one answer that a request gets. Given up without an answer, by a backend that breaks its promises, it
/// answers that itself: no client waits for ever. Used by one thread at a time.
class Answering {
 public:
  /// `in_flight` must outlive it.
  Answering(Answer answer, RequestHead head, InFlight& in_flight)
      : answer_(std::move(answer)), head_(std::move(head)), in_flight_(&in_flight) {
    in_flight_->begin();
  }
  Answering(Answering&& other) noexcept
      : answer_(std::exchange(other.answer_, std::nullopt)),
        head_(std::move(other.head_)),
        in_flight_(std::exchange(other.in_flight_, nullptr)) {}
  Answering(const Answering&) = delete;
  Answering& operator=(Answering&&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering() {
    if (answer_) (*this)(problem(head_, Error{ErrorCode::kInternal, "the recogniser failed"}));
    if (in_flight_ != nullptr) in_flight_->end();
  }

  /// Gives the answer; the first one counts.
  void operator()(HttpResponse response) {
    if (auto answer = std::exchange(answer_, std::nullopt)) (*answer)(std::move(response));
  }

  [[nodiscard]] const RequestHead& head() const { return head_; }
  [[nodiscard]] bool answered() const { return !answer_; }

 private:
  std::optional<Answer> answer_;
  RequestHead head_;
  InFlight* in_flight_ = nullptr;  // null: moved from
};

}  // namespace fovea::server
