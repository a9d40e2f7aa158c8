#include "cache/postgres_store.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "cache/options.h"
#include "cache/postgres_connection.h"
#include "cache/store.h"

namespace fovea::cache {
namespace {

constexpr const char* kTable = R"(
  CREATE TABLE IF NOT EXISTS fovea_answers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL,
    created_ms bigint NOT NULL,
    model text NOT NULL,
    model_version text NOT NULL,
    task text NOT NULL,
    latency_ms double precision NOT NULL,
    payload bytea NOT NULL,
    checksum bytea NOT NULL
  ))";
constexpr const char* kKeyIndex =
    "CREATE INDEX IF NOT EXISTS fovea_answers_by_key ON fovea_answers (key, id)";
constexpr const char* kTimeIndex =
    "CREATE INDEX IF NOT EXISTS fovea_answers_by_time ON fovea_answers (created_ms)";
/// Processes that start together make the table one after the other. Any number, as long as it is always
/// this.
constexpr const char* kLock = "SELECT pg_advisory_xact_lock(7369826743120128)";
/// A statement whose client gave up (it waits for a lock, say) ends by itself and frees its connection.
constexpr const char* kStatementTimeout = "SET statement_timeout = 60000";

std::string_view view(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

std::optional<Digest> digest_of(std::string_view bytes) {
  Digest digest;
  if (bytes.size() != digest.bytes.size()) return std::nullopt;
  std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
  return digest;
}

std::optional<Entry> verified_row(const PostgresRows& rows, int row) {
  const auto key = digest_of(rows.bytes(row, 1));
  const auto sum = digest_of(rows.bytes(row, 8));
  if (!key || !sum) return std::nullopt;
  auto answer = std::make_shared<Answer>();
  answer->created_ms = rows.integer(row, 2);
  answer->model = rows.bytes(row, 3);
  answer->model_version = rows.bytes(row, 4);
  answer->task = rows.bytes(row, 5);
  answer->latency_ms = rows.real(row, 6);
  answer->payload = rows.bytes(row, 7);
  if (checksum(*key, *answer) != *sum) return std::nullopt;
  return Entry{*key, std::move(answer)};
}

class PostgresStore final : public Store {
 public:
  PostgresStore(PostgresOptions options, Retention retention, std::size_t max_value_bytes)
      : options_(std::move(options)), retention_(retention), max_value_bytes_(max_value_bytes) {}

  Result<void> open(Clock::time_point deadline) override {
    if (const auto opened = connection_.open(options_.conninfo, deadline); !opened) return named(opened);
    FOVEA_CHECK_OK(run(kStatementTimeout, {}, deadline));
    // Looked for first: a user who may not create tables can use one that an administrator has made.
    FOVEA_TRY(const PostgresRows found, run("SELECT to_regclass('fovea_answers')", {}, deadline));
    if (found.size() == 1 && !found.is_null(0, 0)) return {};
    FOVEA_CHECK_OK(run("BEGIN", {}, deadline));
    for (const char* sql : {kLock, kTable, kKeyIndex, kTimeIndex, "COMMIT"}) {
      FOVEA_CHECK_OK(run(sql, {}, deadline));
    }
    return {};
  }

  void close() override { connection_.close(); }

  Result<Found> get(const Key& key, Clock::time_point deadline) override {
    // The payload of an entry that is too large does not even travel.
    const std::string sql =
        "SELECT id, key, created_ms, model, model_version, task, latency_ms, "
        "CASE WHEN length(payload) <= $2 THEN payload END, checksum "
        "FROM fovea_answers WHERE key = $1 ORDER BY id DESC LIMIT 1";
    FOVEA_TRY(const PostgresRows rows,
              run(sql,
                  {PostgresValue::blob(view(key)),
                   PostgresValue::bigint(static_cast<std::int64_t>(max_value_bytes_))},
                  deadline));
    if (rows.size() == 0) return Found{};
    std::optional<Entry> entry = verified_row(rows, 0);
    if (entry && entry->key == key) return Found{.answer = std::move(entry->answer)};
    FOVEA_CHECK_OK(run("DELETE FROM fovea_answers WHERE id = $1", {PostgresValue::bigint(rows.integer(0, 0))},
                       deadline));
    return Found{.damaged = true};
  }

  Result<void> put(std::span<const Entry> entries, Clock::time_point deadline) override {
    const std::string sql =
        "INSERT INTO fovea_answers (key, created_ms, model, model_version, task, latency_ms, payload, "
        "checksum) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    FOVEA_CHECK_OK(run("BEGIN", {}, deadline));
    for (const auto& [key, answer] : entries) {
      FOVEA_CHECK_OK(
          run(sql,
              {PostgresValue::blob(view(key)), PostgresValue::bigint(answer->created_ms),
               PostgresValue::text(answer->model), PostgresValue::text(answer->model_version),
               PostgresValue::text(answer->task), PostgresValue::real(answer->latency_ms),
               PostgresValue::blob(answer->payload), PostgresValue::blob(view(checksum(key, *answer)))},
              deadline));
    }
    FOVEA_CHECK_OK(run("COMMIT", {}, deadline));
    return {};
  }

  Result<std::optional<Usage>> usage(Clock::time_point deadline) override {
    FOVEA_TRY(const Usage usage, count_all(deadline));
    return usage;
  }

  Result<void> newest(std::size_t count, const std::function<bool(Entry)>& take,
                      Clock::time_point deadline) override {
    constexpr std::size_t kAtOnce = 100;
    std::int64_t before = std::numeric_limits<std::int64_t>::max();
    while (count > 0) {
      const std::size_t wanted = std::min(count, kAtOnce);
      FOVEA_TRY(const PostgresRows rows,
                run("SELECT id, key, created_ms, model, model_version, task, latency_ms, payload, checksum "
                    "FROM fovea_answers WHERE id < $1 AND length(payload) <= $3 ORDER BY id DESC LIMIT $2",
                    {PostgresValue::bigint(before), PostgresValue::bigint(static_cast<std::int64_t>(wanted)),
                     PostgresValue::bigint(static_cast<std::int64_t>(max_value_bytes_))},
                    deadline));
      for (int row = 0; row < rows.size(); ++row) {
        before = rows.integer(row, 0);
        std::optional<Entry> entry = verified_row(rows, row);
        if (entry && !take(*std::move(entry))) return {};
      }
      if (static_cast<std::size_t>(rows.size()) < wanted) break;
      count -= wanted;
    }
    return {};
  }

  Result<void> prune(Clock::time_point deadline) override {
    const std::int64_t oldest_ms =
        retention_.max_age.count() > 0
            ? now_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(retention_.max_age).count()
            : 0;
    constexpr std::int64_t kAtOnce = 1000;
    std::uint64_t deleted = 0;
    do {
      FOVEA_TRY(
          const PostgresRows rows,
          run("DELETE FROM fovea_answers WHERE id IN (SELECT id FROM fovea_answers WHERE created_ms < $1 OR "
              "id <= (SELECT max(id) FROM fovea_answers) - $2 ORDER BY id LIMIT $3)",
              {PostgresValue::bigint(oldest_ms),
               PostgresValue::bigint(static_cast<std::int64_t>(retention_.max_entries)),
               PostgresValue::bigint(kAtOnce)},
              deadline));
      deleted = rows.changed();
    } while (deleted == kAtOnce && Clock::now() < deadline);
    return {};
  }

  Result<Usage> count_all(Clock::time_point deadline) override {
    FOVEA_TRY(
        const PostgresRows rows,
        run("SELECT count(*), pg_total_relation_size('fovea_answers') FROM fovea_answers", {}, deadline));
    if (rows.size() != 1) return Usage{};
    return Usage{.entries = static_cast<std::uint64_t>(rows.integer(0, 0)),
                 .bytes = static_cast<std::uint64_t>(rows.integer(0, 1))};
  }

  Result<std::uint64_t> clear(Clock::time_point deadline) override {
    FOVEA_TRY(const PostgresRows rows, run("DELETE FROM fovea_answers", {}, deadline));
    return rows.changed();
  }

 private:
  Result<PostgresRows> run(const std::string& sql, const std::vector<PostgresValue>& values,
                           Clock::time_point deadline) {
    return named(connection_.query(sql, values, deadline));
  }

  template <class T>
  Result<T> named(Result<T> result) const {
    if (!result) return with_context(std::move(result).error(), describe_conninfo(options_.conninfo));
    return result;
  }

  const PostgresOptions options_;
  const Retention retention_;
  const std::size_t max_value_bytes_;
  PostgresConnection connection_;
};

}  // namespace

std::unique_ptr<Store> make_postgres_store(const PostgresOptions& options, const Retention& retention,
                                           std::size_t max_value_bytes) {
  return std::make_unique<PostgresStore>(options, retention, max_value_bytes);
}

Result<void> check_conninfo(const std::string& conninfo) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), PQconninfoFree);
  if (parsed != nullptr) return {};
  return fail(ErrorCode::kUsage,
              "the database: expected postgresql://[user[:password]@]host[:port]/name or \"host=… "
              "dbname=…\", found something that PostgreSQL's client does not understand");
}

std::string describe_conninfo(const std::string& conninfo) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), PQconninfoFree);
  std::string host = "the default host";
  std::string port;
  std::string database;
  for (const PQconninfoOption* option = parsed.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (option->val == nullptr) continue;
    const std::string_view name = option->keyword;
    if (name == "host" || name == "hostaddr") host = option->val;
    if (name == "port") port = fmt::format(":{}", option->val);
    if (name == "dbname") database = fmt::format(", database {}", option->val);
  }
  return fmt::format("PostgreSQL at {}{}{}", host, port, database);
}

}  // namespace fovea::cache
