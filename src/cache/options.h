#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "cache/memory_tier.h"

namespace fovea::cache {

/// How a request uses the cache (`cache=use|refresh|off`).
enum class Mode {
  kUse,      ///< looks up, and stores what it had to compute
  kRefresh,  ///< computes, and stores
  kOff,      ///< computes
};

/// Errors: kInvalidArgument, with the modes there are.
Result<Mode> parse_mode(std::string_view text);
[[nodiscard]] constexpr bool looks_up(Mode mode) {
  return mode == Mode::kUse;
}
[[nodiscard]] constexpr bool stores(Mode mode) {
  return mode != Mode::kOff;
}

struct RedisOptions {
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string unix_path = {};  ///< a socket; set: host and port do not count
  std::string user = {};       ///< of Redis's access control lists; empty: "default"
  std::string password = {};   ///< empty: none is sent
  int database = 0;
  std::chrono::seconds ttl{7 * 24 * 3600};  ///< 0: entries stay until Redis evicts them
  std::string prefix = "fovea:answer:";     ///< of every key in Redis
};

struct SqliteOptions {
  std::filesystem::path path;   ///< see default_database_path()
  std::uint64_t max_bytes = 0;  ///< of the file; 0: any
};

struct PostgresOptions {
  std::string conninfo;  ///< as libpq takes it: "host=… dbname=…" or a postgresql:// URL
};

using DatabaseOptions = std::variant<std::monostate, SqliteOptions, PostgresOptions>;

/// Which answers the database keeps: each computed answer is a row, the newest of a key counts.
struct Retention {
  std::uint64_t max_entries = 1'000'000;  ///< rows; the oldest go first
  std::chrono::hours max_age{24 * 90};    ///< 0: any
};

struct TierOptions {
  /// Of one lookup in one tier, beside the caller's deadline. What is down is not waited for; this is how
  /// long a tier may take that is up: on a machine whose processors all compute, its answer waits for one of
  /// them.
  std::chrono::milliseconds lookup_timeout{50};
  std::chrono::milliseconds connect_timeout{1000};  ///< in the background
  std::chrono::milliseconds write_timeout{2000};    ///< of one batch, in the background
  std::chrono::milliseconds first_retry{50};        ///< after a failure; doubled each time, up to …
  std::chrono::milliseconds last_retry{30'000};     ///< … this; each varies by a quarter
  std::chrono::milliseconds prune_interval{60'000};
  std::chrono::milliseconds probe_interval{5'000};  ///< how often a tier that nobody asks is looked after
  std::size_t max_lookups = 1024;                   ///< that wait; more are skipped
  std::size_t max_queued_writes = 1000;             ///< entries; the oldest are dropped
  std::size_t max_queued_bytes = std::size_t{16} << 20;  ///< of those
  std::size_t max_value_bytes = std::size_t{4} << 20;    ///< of one entry; larger are neither stored nor read
};

struct TieredCacheOptions {
  MemoryOptions memory;
  std::optional<RedisOptions> redis;
  DatabaseOptions database;
  Retention retention;
  TierOptions tiers;
  std::size_t warm_entries = 1000;  ///< newest answers of the database that memory starts with, at most
};

/// `$XDG_STATE_HOME/fovea/answers.db` (default `~/.local/state/fovea/answers.db`).
std::filesystem::path default_database_path();

/// "redis://[user[:password]@]host[:port][/database]" or "unix:///path[?db=1&user=…&password=…]"; parts may
/// be percent-encoded. "redis://:password@host" is a password alone. Errors: kUsage, without the password.
Result<RedisOptions> parse_redis_url(std::string_view url);

/// "none"; a file, or "sqlite:FILE"; "postgresql://…", "postgres://…" or libpq's "host=… dbname=…". Errors:
/// kUsage, without the password.
Result<DatabaseOptions> parse_database(std::string_view text);

/// Where the tier is, for people: never holds a password.
std::string describe(const RedisOptions& options);
std::string describe(const DatabaseOptions& options);

}  // namespace fovea::cache
