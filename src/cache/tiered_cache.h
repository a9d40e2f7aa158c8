#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "cache/answer.h"
#include "cache/key.h"
#include "cache/memory_tier.h"
#include "cache/options.h"
#include "cache/remote_tier.h"
#include "cache/stats.h"
#include "cache/timer.h"

namespace fovea::cache {

/// An answer that was found, and where.
struct Hit {
  AnswerPtr answer;
  Tier tier = Tier::kMemory;
};

/// The answers given so far: in memory, in Redis, in a database; the last two where they are configured.
/// docs/caching.md says how it behaves when they fail. Thread-safe.
///
/// What may be stored is the caller's to know: failures, truncated and degraded answers must not be. So is
/// Mode: look up where looks_up(mode), store where stores(mode).
class TieredCache {
 public:
  /// Gets the hit, or nothing. On the caller's thread, before lookup_async() returns, where the answer is in
  /// memory or no other tier can be asked; else on a thread of the cache: hand long work to another.
  using Callback = std::move_only_function<void(std::optional<Hit>)>;

  /// Connects in the background and never fails: a tier that is not there is down until it is. Memory fills
  /// from the database meanwhile.
  explicit TieredCache(const TieredCacheOptions& options);
  /// Calls back what is in flight with nothing, and writes what is queued if that goes fast (a second). Not
  /// to be called by a callback.
  ~TieredCache();
  TieredCache(const TieredCache&) = delete;
  TieredCache& operator=(const TieredCache&) = delete;

  /// Asks memory, Redis, the database, in this order. Each of the latter gets TierOptions::lookup_timeout at
  /// most, and all of them until `deadline`. A hit is copied to the tiers above. lookup() waits meanwhile: it
  /// is not for callbacks and I/O threads.
  std::optional<Hit> lookup(const Key& key, Clock::time_point deadline = Clock::time_point::max());
  void lookup_async(const Key& key, Callback callback, Clock::time_point deadline = Clock::time_point::max());

  /// Memory alone; never waits.
  AnswerPtr lookup_memory(const Key& key) { return memory_.find(key); }

  /// Stores in every tier: in memory at once, in the others in the background.
  void store(const Key& key, AnswerPtr answer);

  /// The index of uploaded files, which lives in memory: an answer_key that was remembered for an upload_key.
  std::optional<Key> find_upload(const Key& upload) { return memory_.find_upload(upload); }
  void remember_upload(const Key& upload, const Key& answer) { memory_.remember_upload(upload, answer); }

  /// Forgets what is in memory; how many answers. For the other tiers: clear_tier() of maintenance.h.
  std::size_t clear_memory() { return memory_.clear(); }

  [[nodiscard]] CacheStats stats() const;

  /// For tools and tests: until every configured tier was tried once; until nothing waits to be written.
  /// False at the deadline.
  bool wait_until_tried(Clock::time_point deadline);
  bool wait_until_written(Clock::time_point deadline);

 private:
  void lookup_redis(const Key& key, Callback callback, Clock::time_point deadline);
  void lookup_database(const Key& key, Callback callback, Clock::time_point deadline);
  void warm(Store& database);

  const TieredCacheOptions options_;
  MemoryTier memory_;
  Timer timer_;
  std::unique_ptr<RemoteTier> redis_;     // null: not configured
  std::unique_ptr<RemoteTier> database_;  // null: not configured
};

}  // namespace fovea::cache
