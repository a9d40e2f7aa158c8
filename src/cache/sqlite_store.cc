#include "cache/sqlite_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "sqlite/database.h"

namespace fovea::cache {
namespace {

constexpr std::int32_t kApplicationId = 0x66764331;  // "fvC1"

const std::vector<std::string>& migrations() {
  static const std::vector<std::string> list = {R"(
    CREATE TABLE answers (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      key BLOB NOT NULL,
      created_ms INTEGER NOT NULL,
      model TEXT NOT NULL,
      model_version TEXT NOT NULL,
      task TEXT NOT NULL,
      latency_ms REAL NOT NULL,
      payload TEXT NOT NULL,
      checksum BLOB NOT NULL
    );
    CREATE INDEX answers_by_key ON answers (key, id);
    CREATE INDEX answers_by_time ON answers (created_ms);
  )"};
  return list;
}

constexpr std::string_view kColumns =
    "id, key, created_ms, model, model_version, task, latency_ms, payload, checksum";

std::span<const std::byte> bytes_of(const Digest& digest) {
  return std::as_bytes(std::span(digest.bytes));
}

std::optional<Digest> digest_of(std::span<const std::byte> bytes) {
  Digest digest;
  if (bytes.size() != digest.bytes.size()) return std::nullopt;
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(digest.bytes)).begin());
  return digest;
}

/// The row that a statement stands on, if it is as it was written.
std::optional<Entry> verified_row(const sqlite::Statement& row) {
  const auto key = digest_of(row.blob(1));
  const auto sum = digest_of(row.blob(8));
  if (!key || !sum) return std::nullopt;
  auto answer = std::make_shared<Answer>();
  answer->created_ms = row.integer(2);
  answer->model = row.text(3);
  answer->model_version = row.text(4);
  answer->task = row.text(5);
  answer->latency_ms = row.real(6);
  answer->payload = row.text(7);
  if (checksum(*key, *answer) != *sum) return std::nullopt;
  return Entry{*key, std::move(answer)};
}

class SqliteStore final : public Store {
 public:
  SqliteStore(SqliteOptions options, Retention retention, std::size_t max_value_bytes,
              std::shared_ptr<SqliteFileState> state, bool repair)
      : options_(std::move(options)),
        retention_(retention),
        max_value_bytes_(max_value_bytes),
        state_(std::move(state)),
        repair_(repair) {}

  Result<void> open(Clock::time_point deadline) override {
    close();
    if (repair_ && state_->is_damaged()) FOVEA_CHECK_OK(move_aside());
    generation_ = state_->generation();
    Result<void> opened = open_file(deadline);
    if (!opened && opened.error().code == ErrorCode::kDamaged) {
      state_->note_damaged(generation_);
      if (!repair_) return opened;
      FOVEA_CHECK_OK(move_aside());
      generation_ = state_->generation();
      opened = open_file(deadline);
    }
    return opened;
  }

  void close() override {
    select_.reset();
    insert_.reset();
    database_.reset();
  }

  Result<Found> get(const Key& key, Clock::time_point deadline) override {
    FOVEA_CHECK_OK(prepare(deadline));
    return noted(find(key));
  }

  Result<void> put(std::span<const Entry> entries, Clock::time_point deadline) override {
    FOVEA_CHECK_OK(prepare(deadline));
    return noted(insert(entries));
  }

  Result<std::optional<Usage>> usage(Clock::time_point deadline) override {
    FOVEA_TRY(const Usage usage, count_all(deadline));
    return usage;
  }

  Result<void> newest(std::size_t count, const std::function<bool(Entry)>& take,
                      Clock::time_point deadline) override {
    FOVEA_CHECK_OK(prepare(deadline));
    return noted(read_newest(count, take, deadline));
  }

  Result<void> prune(Clock::time_point deadline) override {
    FOVEA_CHECK_OK(prepare(deadline));
    return noted(delete_old(deadline));
  }

  Result<Usage> count_all(Clock::time_point deadline) override {
    FOVEA_CHECK_OK(prepare(deadline));
    return noted(count());
  }

  Result<std::uint64_t> clear(Clock::time_point deadline) override {
    FOVEA_CHECK_OK(prepare(deadline));
    return noted(delete_all());
  }

 private:
  Result<void> open_file(Clock::time_point deadline) {
    FOVEA_TRY(database_, sqlite::Database::open(options_.path, {.busy_timeout = time_left(deadline),
                                                                .application_id = kApplicationId,
                                                                .migrations = migrations(),
                                                                .max_bytes = options_.max_bytes}));
    FOVEA_TRY(select_, database_->prepare(fmt::format(
                           "SELECT {} FROM answers WHERE key = ? ORDER BY id DESC LIMIT 1", kColumns)));
    FOVEA_TRY(insert_, database_->prepare("INSERT INTO answers (key, created_ms, model, model_version, task, "
                                          "latency_ms, payload, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    return {};
  }

  static std::chrono::milliseconds time_left(Clock::time_point deadline) {
    const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - Clock::now());
    return std::clamp(left, std::chrono::milliseconds(0), std::chrono::milliseconds(60'000));
  }

  /// Before every use: there is a connection, to the file that is now in place, and it waits no longer than
  /// it may.
  Result<void> prepare(Clock::time_point deadline) {
    if (database_ && generation_ != state_->generation()) FOVEA_CHECK_OK(open(deadline));
    if (!database_) return fail(ErrorCode::kUnavailable, "not connected");
    database_->set_busy_timeout(time_left(deadline));
    return {};
  }

  template <class T>
  Result<T> noted(Result<T> result) {
    if (!result && result.error().code == ErrorCode::kDamaged) state_->note_damaged(generation_);
    return result;
  }

  Result<void> move_aside() {
    close();
    return state_->replace([this]() -> Result<void> {
      const std::string suffix = fmt::format(".damaged-{}", now_ms());
      std::error_code error;
      std::filesystem::rename(options_.path, options_.path.string() + suffix, error);
      if (error) {
        return fail(ErrorCode::kIo, fmt::format("{}: is damaged and cannot be moved away: {}",
                                                options_.path.string(), error.message()));
      }
      for (const char* part : {"-wal", "-shm"}) {
        std::filesystem::rename(options_.path.string() + part, options_.path.string() + suffix + part, error);
      }
      return {};
    });
  }

  Result<Found> find(const Key& key) {
    FOVEA_CHECK_OK(select_->bind(bytes_of(key)));
    FOVEA_TRY(const bool row, select_->step());
    if (!row) return Found{};
    const std::int64_t id = select_->integer(0);
    std::optional<Entry> entry;
    if (select_->text(7).size() <= max_value_bytes_) entry = verified_row(*select_);
    select_->reset();
    if (entry && entry->key == key) return Found{.answer = std::move(entry->answer)};
    FOVEA_CHECK_OK(database_->run("DELETE FROM answers WHERE id = ?", id));
    return Found{.damaged = true};
  }

  Result<void> insert(std::span<const Entry> entries) {
    FOVEA_TRY(sqlite::Transaction transaction, sqlite::Transaction::begin(*database_));
    for (const auto& [key, answer] : entries) {
      const Digest sum = checksum(key, *answer);
      FOVEA_CHECK_OK(insert_->run(bytes_of(key), answer->created_ms, answer->model, answer->model_version,
                                  answer->task, answer->latency_ms, answer->payload, bytes_of(sum)));
    }
    return transaction.commit();
  }

  Result<void> read_newest(std::size_t count, const std::function<bool(Entry)>& take,
                           Clock::time_point deadline) {
    FOVEA_TRY(sqlite::Statement rows,
              database_->prepare(fmt::format("SELECT {} FROM answers ORDER BY id DESC LIMIT ?", kColumns)));
    FOVEA_CHECK_OK(rows.bind(count));
    while (Clock::now() < deadline) {
      FOVEA_TRY(const bool row, rows.step());
      if (!row) break;
      std::optional<Entry> entry = verified_row(rows);
      if (entry && !take(*std::move(entry))) break;
    }
    rows.reset();
    return {};
  }

  Result<void> delete_old(Clock::time_point deadline) {
    // Some at a time, so that no other writer waits for long. Ids only grow: those below the newest id less
    // the limit are beyond it.
    const std::int64_t oldest_ms =
        retention_.max_age.count() > 0
            ? now_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(retention_.max_age).count()
            : 0;
    constexpr int kAtOnce = 1000;
    do {
      FOVEA_CHECK_OK(
          database_->run("DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE created_ms < ?1 OR "
                         "id <= (SELECT max(id) "
                         "FROM answers) - ?2 ORDER BY id LIMIT ?3)",
                         oldest_ms, static_cast<std::int64_t>(retention_.max_entries), kAtOnce));
    } while (database_->changes() == kAtOnce && Clock::now() < deadline);
    return {};
  }

  Result<Usage> count() {
    FOVEA_TRY(sqlite::Statement rows,
              database_->prepare("SELECT (SELECT count(*) FROM answers), "
                                 "(SELECT page_count * page_size FROM pragma_page_count, "
                                 "pragma_page_size)"));
    FOVEA_TRY(const bool row, rows.step());
    if (!row) return Usage{};
    return Usage{.entries = static_cast<std::uint64_t>(rows.integer(0)),
                 .bytes = static_cast<std::uint64_t>(rows.integer(1))};
  }

  Result<std::uint64_t> delete_all() {
    FOVEA_CHECK_OK(database_->run("DELETE FROM answers"));
    const auto deleted = static_cast<std::uint64_t>(database_->changes());
    // Gives the space back. A server that is reading keeps it from doing so, and then uses the space again.
    if (const auto shrunk = database_->execute("VACUUM");
        !shrunk && shrunk.error().code == ErrorCode::kDamaged) {
      return std::unexpected(shrunk.error());
    }
    return deleted;
  }

  const SqliteOptions options_;
  const Retention retention_;
  const std::size_t max_value_bytes_;
  const std::shared_ptr<SqliteFileState> state_;
  const bool repair_;
  std::uint64_t generation_ = 0;
  std::optional<sqlite::Database> database_;
  std::optional<sqlite::Statement> select_;
  std::optional<sqlite::Statement> insert_;
};

}  // namespace

std::unique_ptr<Store> make_sqlite_store(const SqliteOptions& options, const Retention& retention,
                                         std::size_t max_value_bytes, std::shared_ptr<SqliteFileState> state,
                                         bool repair) {
  return std::make_unique<SqliteStore>(options, retention, max_value_bytes, std::move(state), repair);
}

}  // namespace fovea::cache
