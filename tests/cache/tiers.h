#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "answers.h"
#include "cache/tiered_cache.h"

namespace fovea::cache {

/// Options whose timeouts no sound tier exceeds, however slow the machine, and which try again soon.
inline TieredCacheOptions patient_options() {
  using std::chrono::milliseconds;
  TieredCacheOptions options;
  options.tiers.lookup_timeout = milliseconds(20'000);
  options.tiers.connect_timeout = milliseconds(20'000);
  options.tiers.write_timeout = milliseconds(20'000);
  options.tiers.first_retry = milliseconds(10);
  options.tiers.last_retry = milliseconds(50);
  options.retention.max_age = std::chrono::hours(0);  // the answers of tests are from a fixed day
  return options;
}

/// Whether a condition comes true, sooner or later.
inline bool eventually(const std::function<bool()>& condition) {
  const Clock::time_point deadline = soon();
  while (Clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

inline TierStats stats_of(const TieredCache& cache, Tier tier) {
  return cache.stats().tiers[static_cast<std::size_t>(tier)];
}

inline bool is_up(const TieredCache& cache, Tier tier) {
  return stats_of(cache, tier).state == TierState::kUp;
}

/// A cache whose tiers have connected.
inline std::unique_ptr<TieredCache> connected(const TieredCacheOptions& options) {
  auto cache = std::make_unique<TieredCache>(options);
  EXPECT_TRUE(cache->wait_until_tried(soon()));
  for (const TierStats& tier : cache->stats().tiers)
    EXPECT_NE(tier.state, TierState::kDown) << tier.last_error;
  return cache;
}

/// Stores an answer and waits until every tier has it.
inline void store_and_wait(TieredCache& cache, const Key& key, AnswerPtr answer) {
  cache.store(key, std::move(answer));
  EXPECT_TRUE(cache.wait_until_written(soon()));
}

}  // namespace fovea::cache
