#include "cache/tiered_cache.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "cache/maintenance.h"

namespace fovea::cache {

TieredCache::TieredCache(const TieredCacheOptions& options) : options_(options), memory_(options.memory) {
  if (options_.redis) {
    const TierStores stores = redis_stores(*options_.redis, options_.tiers);
    redis_ = std::make_unique<RemoteTier>(Tier::kRedis, stores.reader, stores.writer, options_.tiers, timer_);
  }
  if (!std::holds_alternative<std::monostate>(options_.database)) {
    const TierStores stores = database_stores(options_.database, options_.retention, options_.tiers);
    database_ = std::make_unique<RemoteTier>(Tier::kDatabase, stores.reader, stores.writer, options_.tiers,
                                             timer_, [this](Store& database) { warm(database); });
  }
}

TieredCache::~TieredCache() {
  // Nothing the timer calls may still be under way when the tiers go, and Redis's callbacks ask the database.
  timer_.stop();
  redis_.reset();
  database_.reset();
}

void TieredCache::warm(Store& database) {
  if (options_.warm_entries == 0) return;
  const auto take = [this](Entry entry) { return memory_.insert_cold(entry.key, std::move(entry.answer)); };
  // What goes wrong here goes wrong again, and is counted, with the next write.
  // NOLINTNEXTLINE(bugprone-unused-return-value): so nothing is to be done about it
  (void)database.newest(options_.warm_entries, take, Clock::now() + options_.tiers.write_timeout);
}

std::optional<Hit> TieredCache::lookup(const Key& key, Clock::time_point deadline) {
  if (AnswerPtr answer = memory_.find(key)) return Hit{std::move(answer), Tier::kMemory};
  if (redis_ == nullptr && database_ == nullptr) return std::nullopt;
  std::mutex mutex;
  std::condition_variable changed;
  bool called = false;
  std::optional<Hit> result;
  lookup_redis(
      key,
      [&](std::optional<Hit> hit) {
        const std::lock_guard lock(mutex);
        result = std::move(hit);
        called = true;
        changed
            .notify_one();  // with the lock: the waiting function, which owns all this, must not end before
      },
      deadline);
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return called; });
  return result;
}

void TieredCache::lookup_async(const Key& key, Callback callback, Clock::time_point deadline) {
  if (AnswerPtr answer = memory_.find(key)) {
    callback(Hit{std::move(answer), Tier::kMemory});
  } else {
    lookup_redis(key, std::move(callback), deadline);
  }
}

void TieredCache::lookup_redis(const Key& key, Callback callback, Clock::time_point deadline) {
  if (redis_ == nullptr) {
    lookup_database(key, std::move(callback), deadline);
    return;
  }
  redis_->lookup(key, deadline,
                 [this, key, callback = std::move(callback), deadline](AnswerPtr answer) mutable {
                   if (answer == nullptr) {
                     lookup_database(key, std::move(callback), deadline);
                     return;
                   }
                   memory_.insert_found(key, answer);
                   callback(Hit{std::move(answer), Tier::kRedis});
                 });
}

void TieredCache::lookup_database(const Key& key, Callback callback, Clock::time_point deadline) {
  if (database_ == nullptr) {
    callback(std::nullopt);
    return;
  }
  database_->lookup(key, deadline, [this, key, callback = std::move(callback)](AnswerPtr answer) mutable {
    if (answer == nullptr) {
      callback(std::nullopt);
      return;
    }
    memory_.insert_found(key, answer);
    if (redis_ != nullptr) redis_->write(key, answer);
    callback(Hit{std::move(answer), Tier::kDatabase});
  });
}

void TieredCache::store(const Key& key, AnswerPtr answer) {
  memory_.insert(key, answer);
  if (redis_ != nullptr) redis_->write(key, answer);
  if (database_ != nullptr) database_->write(key, std::move(answer));
}

CacheStats TieredCache::stats() const {
  CacheStats stats;
  stats.tiers[0] = memory_.stats();
  stats.tiers[1].tier = Tier::kRedis;
  stats.tiers[2].tier = Tier::kDatabase;
  if (redis_ != nullptr) stats.tiers[1] = redis_->stats();
  if (database_ != nullptr) stats.tiers[2] = database_->stats();
  return stats;
}

bool TieredCache::wait_until_tried(Clock::time_point deadline) {
  return (redis_ == nullptr || redis_->wait_until_tried(deadline)) &&
         (database_ == nullptr || database_->wait_until_tried(deadline));
}

bool TieredCache::wait_until_written(Clock::time_point deadline) {
  return (redis_ == nullptr || redis_->wait_until_written(deadline)) &&
         (database_ == nullptr || database_->wait_until_written(deadline));
}

}  // namespace fovea::cache
