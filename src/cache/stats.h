#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace fovea::cache {

enum class Tier { kMemory, kRedis, kDatabase };

/// "memory", "redis", "database": what `cached` says in an answer.
const char* tier_name(Tier tier);

enum class TierState {
  kDisabled,  ///< not configured
  kUp,
  kDown,  ///< skipped, and tried again in the background
};

/// "disabled", "up", "down".
const char* state_name(TierState state);

/// One tier since the process started.
struct TierStats {
  Tier tier = Tier::kMemory;
  TierState state = TierState::kDisabled;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;          ///< the tier said that it has no answer
  std::uint64_t errors = 0;          ///< failed lookups, writes and connections
  std::uint64_t timeouts = 0;        ///< lookups that were given up at their deadline
  std::uint64_t skipped = 0;         ///< lookups that did not ask, because the tier was down or overloaded
  std::uint64_t damaged = 0;         ///< entries that did not verify: never served, deleted
  std::uint64_t writes = 0;          ///< entries that were stored
  std::uint64_t dropped_writes = 0;  ///< entries that were not, because the queue was full or writing failed
  std::uint64_t queued_writes = 0;   ///< entries that wait now
  std::optional<std::uint64_t> entries = {};  ///< that it holds; unset where counting them would cost
  std::optional<std::uint64_t> bytes = {};
  std::string last_error = {};  ///< the latest, if any; never holds a password
};

struct CacheStats {
  std::array<TierStats, 3> tiers;  ///< memory, Redis, database
};

/// For `/stats` and `/readyz`: {"memory": {"state": "up", "hits": …}, "redis": …, "database": …}; what is
/// unknown is null.
nlohmann::ordered_json to_json(const CacheStats& stats);

}  // namespace fovea::cache
