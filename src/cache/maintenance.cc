#include "cache/maintenance.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <variant>

#include "cache/postgres_store.h"
#include "cache/redis_store.h"
#include "cache/sqlite_store.h"

namespace fovea::cache {
namespace {

/// A SQLite file that is not there holds nothing, and asking does not make it.
bool is_missing(const DatabaseOptions& options) {
  const auto* sqlite = std::get_if<SqliteOptions>(&options);
  std::error_code ignored;
  return sqlite != nullptr && !std::filesystem::exists(sqlite->path, ignored);
}

/// A connection that repairs nothing: a person who looks at a damaged file wants to be told.
std::unique_ptr<Store> make_store(const DatabaseOptions& options) {
  return database_stores(options, {}, {}).reader();
}

}  // namespace

TierStores redis_stores(const RedisOptions& options, const TierOptions& tiers) {
  const StoreFactory make = [options, limit = tiers.max_value_bytes] {
    return make_redis_store(options, limit);
  };
  return {make, make};
}

TierStores database_stores(const DatabaseOptions& options, const Retention& retention,
                           const TierOptions& tiers) {
  const std::size_t limit = tiers.max_value_bytes;
  if (const auto* postgres = std::get_if<PostgresOptions>(&options)) {
    const StoreFactory make = [options = *postgres, retention, limit] {
      return make_postgres_store(options, retention, limit);
    };
    return {make, make};
  }
  const SqliteOptions& sqlite = std::get<SqliteOptions>(options);
  const auto state = std::make_shared<SqliteFileState>();
  const auto make = [sqlite, retention, limit, state](bool repair) -> StoreFactory {
    return [=] { return make_sqlite_store(sqlite, retention, limit, state, repair); };
  };
  return {make(false), make(true)};
}

Result<Usage> count_tier(const RedisOptions& options, std::chrono::milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto store = redis_stores(options, {}).reader();
  FOVEA_CHECK_OK(store->open(deadline));
  return store->count_all(deadline);
}

Result<Usage> count_tier(const DatabaseOptions& options, std::chrono::milliseconds timeout) {
  if (is_missing(options)) return Usage{};
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto store = make_store(options);
  FOVEA_CHECK_OK(store->open(deadline));
  return store->count_all(deadline);
}

Result<std::uint64_t> clear_tier(const RedisOptions& options, std::chrono::milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto store = redis_stores(options, {}).reader();
  FOVEA_CHECK_OK(store->open(deadline));
  return store->clear(deadline);
}

Result<std::uint64_t> clear_tier(const DatabaseOptions& options, std::chrono::milliseconds timeout) {
  if (is_missing(options)) return 0;
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto store = make_store(options);
  FOVEA_CHECK_OK(store->open(deadline));
  return store->clear(deadline);
}

}  // namespace fovea::cache
