#include "sqlite/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <limits>

#include "sqlite/errors.h"

namespace fovea::sqlite {
namespace {

Result<void> create_folder(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  if (folder.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot create the folder {}: {}", folder.string(), error.message()));
  }
  return {};
}

}  // namespace

// Statements that are still there keep a connection alive until the last of them goes.
void Database::Close::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

Result<Database> Database::open(const std::filesystem::path& path, const Options& options) {
  const bool in_memory = path == ":memory:";
  std::error_code ignored;
  if (options.read_only && !in_memory && !std::filesystem::exists(path, ignored)) {
    return fail(ErrorCode::kNotFound, fmt::format("no database {}", path.string()));
  }
  if (!options.read_only && !in_memory) FOVEA_CHECK_OK(create_folder(path));

  const int flags = (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  Database database(connection, path);  // SQLite gives a connection even with most errors
  if (code != SQLITE_OK) return failure(connection, code, path.string());
  FOVEA_CHECK_OK(database.configure(options));
  FOVEA_CHECK_OK(database.migrate(options));
  return database;
}

Result<void> Database::configure(const Options& options) {
  set_busy_timeout(options.busy_timeout);
  // SQLite opens a file it may only read without a word, and fails at the first write.
  if (!options.read_only && sqlite3_db_readonly(connection_.get(), "main") == 1) {
    return failure(nullptr, SQLITE_READONLY, path_.string());
  }
  // Someone else's file is left as it is, so this comes before the first write.
  // Another process may be making it: that sets the id before any table, so a file found with tables here has
  // its id when that is read next. The other way round it could seem to have tables and no id.
  FOVEA_TRY(const std::int64_t schema, pragma("schema_version"));
  FOVEA_TRY(const std::int64_t id, pragma("application_id"));
  const bool fresh = schema == 0 && id == 0;
  if (options.application_id != 0 && id != options.application_id && !fresh) {
    return fail(ErrorCode::kUsage,
                fmt::format("{}: expected a database of this program with application id {:#010x}, found "
                            "{:#010x}; name another file",
                            path_.string(), options.application_id, static_cast<std::uint32_t>(id)));
  }
  FOVEA_CHECK_OK(
      execute("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;"));
  if (options.read_only) return {};

  FOVEA_CHECK_OK(use_log(options.busy_timeout));
  if (options.max_bytes != 0) {
    FOVEA_TRY(const std::int64_t page, pragma("page_size"));
    const std::uint64_t pages =
        std::clamp<std::uint64_t>(options.max_bytes / static_cast<std::uint64_t>(page), 1,
                                  std::numeric_limits<std::uint32_t>::max() - 1);
    FOVEA_CHECK_OK(execute(fmt::format("PRAGMA max_page_count = {};", pages)));
  }
  if (options.application_id != 0 && fresh) {
    FOVEA_CHECK_OK(execute(fmt::format("PRAGMA application_id = {};", options.application_id)));
  }
  return {};
}

Result<void> Database::use_log(std::chrono::milliseconds patience) {
  const auto mode = [this](const char* sql) -> Result<std::string> {
    FOVEA_TRY(Statement statement, prepare(sql));
    FOVEA_TRY(const bool row, statement.step());
    return std::string(row ? statement.text(0) : "");
  };
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    FOVEA_TRY(const std::string present, mode("PRAGMA journal_mode"));
    if (present == "wal") return {};
    const Result<std::string> changed = mode("PRAGMA journal_mode = WAL");
    if (changed) return {};
    if (changed.error().code != ErrorCode::kUnavailable || std::chrono::steady_clock::now() >= deadline) {
      return std::unexpected(changed.error());
    }
    // Others create the file at the same time. The change does not wait for them, whatever the busy timeout,
    // for it has read the file by then; the beginning of a transaction does.
    FOVEA_CHECK_OK(execute("BEGIN IMMEDIATE; COMMIT;"));
  }
}

Result<void> Database::migrate(const Options& options) {
  const auto newest = static_cast<std::int64_t>(options.migrations.size());
  FOVEA_TRY(std::int64_t version, pragma("user_version"));
  if (newest != 0 && version > newest) {
    return fail(
        ErrorCode::kUsage,
        fmt::format("{}: expected a database of version {} or older, found {}: a newer version of this "
                    "program made it; use that one, or name another file",
                    path_.string(), newest, version));
  }
  if (version == newest || newest == 0) return {};
  if (options.read_only) {
    return fail(ErrorCode::kUsage,
                fmt::format("{}: expected a database of version {}, found {}; open it once "
                            "for writing to bring it up to date",
                            path_.string(), newest, version));
  }
  FOVEA_TRY(Transaction transaction, Transaction::begin(*this));
  // Another process may have migrated the file while this one waited for the lock.
  FOVEA_TRY(version, pragma("user_version"));
  for (; version < newest; ++version) {
    if (const auto done = execute(options.migrations[static_cast<std::size_t>(version)]); !done) {
      return with_context(done.error(), fmt::format("migration from version {} to {}", version, version + 1));
    }
    FOVEA_CHECK_OK(execute(fmt::format("PRAGMA user_version = {};", version + 1)));
  }
  return transaction.commit();
}

Result<std::int64_t> Database::pragma(const std::string& name) {
  FOVEA_TRY(Statement statement, prepare("PRAGMA " + name));
  FOVEA_TRY(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int code =
      sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()), 0, &raw, &rest);
  Statement statement(raw);
  if (code != SQLITE_OK) return failure(connection_.get(), code, path_.string());
  const std::string_view after = sql.substr(static_cast<std::size_t>(rest - sql.data()));
  if (raw == nullptr || after.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return fail(ErrorCode::kInternal,
                fmt::format("{}: expected one SQL statement, got: {}", path_.string(), sql));
  }
  return statement;
}

Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(connection_.get(), code, path_.string());
  return {};
}

std::int64_t Database::last_insert_rowid() const {
  return sqlite3_last_insert_rowid(connection_.get());
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(connection_.get());
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}

void Database::set_busy_timeout(std::chrono::milliseconds timeout) {
  sqlite3_busy_timeout(connection_.get(), static_cast<int>(timeout.count()));
}

Result<void> Database::check() {
  FOVEA_TRY(Statement statement, prepare("PRAGMA quick_check(1)"));
  FOVEA_TRY(const bool row, statement.step());
  if (row && statement.text(0) == "ok") return {};
  return fail(ErrorCode::kDamaged,
              fmt::format("{}: {}; restore it from a backup, or move it away to start with "
                          "a new one",
                          path_.string(), row ? statement.text(0) : "no answer"));
}

void Database::interrupt() {
  sqlite3_interrupt(connection_.get());
}

Result<Transaction> Transaction::begin(Database& database) {
  FOVEA_CHECK_OK(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // Some errors have rolled it back already. If this fails, the connection cannot begin the next one, and
  // says so.
  if (database_ != nullptr && database_->in_transaction()) {
    (void)database_->execute("ROLLBACK");  // NOLINT(bugprone-unused-return-value): the next begin() tells
  }
}

Result<void> Transaction::commit() {
  FOVEA_CHECK_OK(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace fovea::sqlite
