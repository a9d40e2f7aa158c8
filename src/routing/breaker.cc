#include "routing/breaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fovea::routing {
namespace {

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

const char* state_name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half_open";
  }
  return "closed";
}

double CircuitBreaker::Snapshot::error_rate() const {
  return share(errors, calls);
}

double CircuitBreaker::Snapshot::slow_rate() const {
  return share(slow, calls);
}

CircuitBreaker::Permit::Permit(Permit&& other) noexcept
    : breaker_(std::exchange(other.breaker_, nullptr)), generation_(other.generation_) {}

CircuitBreaker::Permit& CircuitBreaker::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    withdraw();
    breaker_ = std::exchange(other.breaker_, nullptr);
    generation_ = other.generation_;
  }
  return *this;
}

void CircuitBreaker::Permit::succeed(TimePoint now, std::chrono::milliseconds took) {
  CircuitBreaker* breaker = std::exchange(breaker_, nullptr);
  if (breaker == nullptr) return;
  const auto slow_call = breaker->options_.slow_call;
  breaker->result(generation_, now, /*error=*/false, slow_call.count() > 0 && took > slow_call, {});
}

void CircuitBreaker::Permit::fail(TimePoint now, std::chrono::milliseconds took, const std::string& why) {
  CircuitBreaker* breaker = std::exchange(breaker_, nullptr);
  if (breaker == nullptr) return;
  const auto slow_call = breaker->options_.slow_call;
  breaker->result(generation_, now, /*error=*/true, slow_call.count() > 0 && took > slow_call, why);
}

void CircuitBreaker::Permit::withdraw() {
  if (CircuitBreaker* breaker = std::exchange(breaker_, nullptr)) breaker->withdrawn(generation_);
}

CircuitBreaker::CircuitBreaker(const BreakerOptions& options, TimePoint now, Listener changed)
    : options_(options), changed_(std::move(changed)), epoch_(now), since_(now) {}

std::int64_t CircuitBreaker::slice(TimePoint now) const {
  const auto width = std::max<std::chrono::nanoseconds>(std::chrono::nanoseconds(1),
                                                        std::chrono::nanoseconds(options_.window) / kBuckets);
  return (now - epoch_) / width;
}

CircuitBreaker::Bucket CircuitBreaker::total(TimePoint now) const {
  const std::int64_t last = slice(now);
  Bucket sum;
  for (const Bucket& bucket : buckets_) {
    if (bucket.number < 0 || bucket.number <= last - static_cast<std::int64_t>(kBuckets)) continue;
    sum.calls += bucket.calls;
    sum.errors += bucket.errors;
    sum.slow += bucket.slow;
  }
  return sum;
}

void CircuitBreaker::change(BreakerState to, TimePoint now, std::string why, std::optional<Change>& told) {
  told = Change{.from = state_, .to = to, .why = std::move(why)};
  state_ = to;
  since_ = now;
  ++generation_;
  probes_out_ = probes_done_ = probes_slow_ = 0;
  if (to == BreakerState::kOpen) ++opened_;
  if (to == BreakerState::kClosed) buckets_ = {};
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::acquire(TimePoint now) {
  std::optional<Change> told;
  std::optional<Permit> permit;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == BreakerState::kOpen && now - since_ >= options_.open) {
      change(BreakerState::kHalfOpen, now, fmt::format("it was open for {} ms", options_.open.count()), told);
    }
    if (state_ == BreakerState::kClosed) {
      permit = Permit(this, generation_);
    } else if (state_ == BreakerState::kHalfOpen && probes_out_ + probes_done_ < options_.half_open_probes) {
      ++probes_out_;
      permit = Permit(this, generation_);
    }
  }
  tell(told);
  return permit;
}

CircuitBreaker::Permit CircuitBreaker::force(TimePoint now) {
  if (auto permit = acquire(now)) return std::move(*permit);
  return {this, 0};  // of no generation: its result is void
}

void CircuitBreaker::judge_closed(TimePoint now, std::optional<Change>& told) {
  const Bucket sum = total(now);
  if (sum.calls < options_.minimum_calls) return;
  if (share(sum.errors, sum.calls) >= options_.error_rate) {
    change(BreakerState::kOpen, now,
           fmt::format("{} of the last {} calls failed; the latest: {}", sum.errors, sum.calls, last_error_),
           told);
  } else if (share(sum.slow, sum.calls) >= options_.slow_call_rate) {
    change(BreakerState::kOpen, now,
           fmt::format("{} of the last {} calls took longer than {} ms", sum.slow, sum.calls,
                       options_.slow_call.count()),
           told);
  }
}

void CircuitBreaker::judge_probes(TimePoint now, bool error, std::optional<Change>& told) {
  if (error) {
    return change(BreakerState::kOpen, now, fmt::format("a probe failed: {}", last_error_), told);
  }
  if (probes_done_ < options_.half_open_probes) return;
  if (share(probes_slow_, probes_done_) >= options_.slow_call_rate) {
    change(BreakerState::kOpen, now,
           fmt::format("{} of {} probes took longer than {} ms", probes_slow_, probes_done_,
                       options_.slow_call.count()),
           told);
  } else {
    change(BreakerState::kClosed, now, fmt::format("{} probes did well", probes_done_), told);
  }
}

void CircuitBreaker::result(std::uint64_t generation, TimePoint now, bool error, bool slow,
                            const std::string& why) {
  std::optional<Change> told;
  {
    const std::lock_guard lock(mutex_);
    if (error) last_error_ = why;
    if (generation != generation_) return;
    if (state_ == BreakerState::kHalfOpen) {
      --probes_out_;
      ++probes_done_;
      probes_slow_ += slow ? 1 : 0;
      judge_probes(now, error, told);
    } else {
      const std::int64_t number = slice(now);
      Bucket& bucket = buckets_[static_cast<std::size_t>(number) % kBuckets];
      if (bucket.number != number) bucket = {.number = number};
      ++bucket.calls;
      bucket.errors += error ? 1 : 0;
      bucket.slow += slow ? 1 : 0;
      judge_closed(now, told);
    }
  }
  tell(told);
}

void CircuitBreaker::withdrawn(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  if (generation == generation_ && state_ == BreakerState::kHalfOpen) --probes_out_;
}

CircuitBreaker::Snapshot CircuitBreaker::snapshot(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  const Bucket sum = total(now);
  Snapshot snapshot{.state = state_,
                    .calls = sum.calls,
                    .errors = sum.errors,
                    .slow = sum.slow,
                    .since = since_,
                    .opens_for = {},
                    .opened = opened_,
                    .last_error = last_error_};
  if (state_ == BreakerState::kOpen) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(options_.open - (now - since_));
    if (left.count() > 0) {
      snapshot.opens_for = left;
    } else {
      snapshot.state = BreakerState::kHalfOpen;
    }
  }
  return snapshot;
}

void CircuitBreaker::reset(TimePoint now) {
  std::optional<Change> told;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == BreakerState::kClosed) {
      buckets_ = {};
      ++generation_;
    } else {
      change(BreakerState::kClosed, now, "an operator closed it", told);
    }
  }
  tell(told);
}

}  // namespace fovea::routing
