#include "routing/limits.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fovea::routing {
namespace {

/// The value that a share of all lies at or below; orders `values` as far as it takes.
double nearest_rank(std::vector<double>& values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::ranges::nth_element(values, place);
  return *place;
}

}  // namespace

void RetryBudget::request() {
  const std::lock_guard lock(mutex_);
  ++requests_;
  tokens_ = std::min(burst_, tokens_ + share_);
}

bool RetryBudget::take() {
  const std::lock_guard lock(mutex_);
  if (tokens_ < 1) {
    ++denied_;
    return false;
  }
  tokens_ -= 1;
  ++retries_;
  return true;
}

RetryBudget::Snapshot RetryBudget::snapshot() const {
  const std::lock_guard lock(mutex_);
  return {.tokens = tokens_, .requests = requests_, .retries = retries_, .denied = denied_};
}

void KillSwitch::turn_off(const std::string& model, std::string why, TimePoint now) {
  const std::lock_guard lock(mutex_);
  off_.insert_or_assign(model, Off{.why = std::move(why), .since = now});
}

void KillSwitch::turn_on(std::string_view model) {
  const std::lock_guard lock(mutex_);
  if (const auto found = off_.find(model); found != off_.end()) off_.erase(found);
}

std::optional<KillSwitch::Off> KillSwitch::off(std::string_view model) const {
  const std::lock_guard lock(mutex_);
  const auto found = off_.find(model);
  if (found == off_.end()) return std::nullopt;
  return found->second;
}

void LatencyTracker::record(TimePoint now, double ms) {
  const std::lock_guard lock(mutex_);
  if (calls_.size() < kMostCalls) {
    calls_.push_back({.when = now, .ms = ms});
  } else {
    calls_[next_] = {.when = now, .ms = ms};
    next_ = (next_ + 1) % kMostCalls;
  }
}

std::optional<LatencyTracker::Quantiles> LatencyTracker::quantiles(TimePoint now) const {
  std::vector<double> young;
  {
    const std::lock_guard lock(mutex_);
    young.reserve(calls_.size());
    for (const Call& call : calls_) {
      if (now - call.when <= kOldest) young.push_back(call.ms);
    }
  }
  if (young.empty()) return std::nullopt;
  Quantiles quantiles{.calls = young.size()};
  quantiles.p50_ms = nearest_rank(young, 0.5);
  quantiles.p95_ms = nearest_rank(young, 0.95);
  return quantiles;
}

}  // namespace fovea::routing
