#include "server/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace fovea::server {
namespace {

double seconds_between(RateLimiter::Clock::time_point from, RateLimiter::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::optional<int> RateLimiter::take(const std::string& name, double rate, std::size_t burst) {
  if (rate <= 0) return std::nullopt;
  const double size = burst > 0 ? static_cast<double>(burst) : std::max(1.0, std::floor(rate));
  const Clock::time_point now = now_();
  const std::scoped_lock lock(mutex_);
  if (buckets_.size() >= max_names_ && !buckets_.contains(name)) {
    forget_full(now);
    if (buckets_.size() >= max_names_) buckets_.clear();
  }
  const auto [found, is_new] = buckets_.try_emplace(name);
  Bucket& bucket = found->second;
  if (is_new) bucket = {.requests = size, .rate = rate, .burst = size, .filled = now};
  bucket.requests = std::min(size, bucket.requests + seconds_between(bucket.filled, now) * rate);
  bucket.rate = rate;
  bucket.burst = size;
  bucket.filled = now;
  if (bucket.requests >= 1) {
    bucket.requests -= 1;
    return std::nullopt;
  }
  return static_cast<int>(std::ceil(std::clamp((1 - bucket.requests) / rate, 1.0, 3600.0)));
}

std::size_t RateLimiter::names() const {
  const std::scoped_lock lock(mutex_);
  return buckets_.size();
}

void RateLimiter::forget_full(Clock::time_point now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    return bucket.requests + seconds_between(bucket.filled, now) * bucket.rate >= bucket.burst;
  });
}

std::optional<AddressCounts::Lease> AddressCounts::add(const std::string& address, std::size_t limit) {
  const std::scoped_lock lock(mutex_);
  std::size_t& count = counts_[address];
  if (limit != 0 && count >= limit) return std::nullopt;
  ++count;
  return std::make_optional<Lease>(*this, address);
}

void AddressCounts::remove(const std::string& address) {
  const std::scoped_lock lock(mutex_);
  const auto found = counts_.find(address);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

}  // namespace fovea::server
