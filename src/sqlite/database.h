#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

/// SQLite (https://www.sqlite.org/c3ref/intro.html) with owners and Results. Errors of every function here:
/// kUnavailable  another connection held the file for longer than the busy timeout, or memory is short
/// kDamaged      the file is no database or is damaged
/// kIo           the disk is full, the file or its folder cannot be written or read
/// kTooLarge     a value beyond SQLite's limits
/// kCancelled    interrupt() was called
/// kInvalidArgument  a constraint of the schema was violated (unique, not null, check, foreign key)
/// kInternal     the statement is wrong, or is used wrongly
/// Messages name the file.
namespace fovea::sqlite {

struct Options {
  bool read_only = false;                        ///< the file must exist; nothing is created or migrated
  std::chrono::milliseconds busy_timeout{2000};  ///< waiting for another connection's lock
  /// What tells this kind of database from others' (PRAGMA application_id). 0: any file is taken.
  std::int32_t application_id = 0;
  /// `migrations[v]` is the SQL that takes a database from version v (PRAGMA user_version) to v + 1. A new
  /// file has version 0 and goes through all of them; each runs in one transaction. Never edit one that was
  /// released: append.
  std::vector<std::string> migrations = {};
  std::uint64_t max_bytes = 0;  ///< the file's size at most; a write beyond it fails like a full disk. 0: any
};

class Database;

/// A prepared statement; parameters are numbered from 1, columns from 0. Must not outlive its database's use
/// by another thread; may outlive the Database object.
class Statement {
 public:
  Statement(Statement&&) noexcept = default;
  Statement& operator=(Statement&&) noexcept = default;

  /// Starts again with these parameters, in order; the values are copied. Takes nullptr, integers, bool,
  /// double, text (`std::string_view`), blobs (`std::span<const std::byte>`) and optionals of them.
  template <class... Values>
  Result<void> bind(const Values&... values) {
    FOVEA_CHECK_OK(restart(sizeof...(Values)));
    int index = 0;
    Result<void> result;
    // NOLINTNEXTLINE(bugprone-unused-return-value): the fold stops at the first error, which `result` keeps.
    (void)((result = bind_value(++index, values)).has_value() && ...);
    return result;
  }

  /// The next row: true when there is one, which the column functions then read; false at the end.
  Result<bool> step();

  /// bind() and step() to the end: for statements whose rows, if any, do not matter.
  template <class... Values>
  Result<void> run(const Values&... values) {
    FOVEA_CHECK_OK(bind(values...));
    return finish();
  }

  /// Ends the statement's read of the database. A statement that was stepped but not to the end holds a lock
  /// until then.
  void reset();

  /// Columns of the present row, converted as SQLite does. Text and blobs are valid until the next step(),
  /// bind(), run() or reset().
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::span<const std::byte> blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  Result<void> restart(std::size_t parameters);
  Result<void> finish();
  Result<void> bind_null(int index);
  Result<void> bind_integer(int index, std::int64_t value);
  Result<void> bind_real(int index, double value);
  Result<void> bind_text(int index, std::string_view value);
  Result<void> bind_blob(int index, std::span<const std::byte> value);
  Result<void> bind_value(int index, std::nullptr_t) { return bind_null(index); }
  Result<void> bind_value(int index, double value) { return bind_real(index, value); }
  Result<void> bind_value(int index, std::string_view value) { return bind_text(index, value); }
  Result<void> bind_value(int index, const std::string& value) { return bind_text(index, value); }
  Result<void> bind_value(int index, const char* value) { return bind_text(index, value); }
  Result<void> bind_value(int index, std::span<const std::byte> value) { return bind_blob(index, value); }
  template <std::integral Integer>
  Result<void> bind_value(int index, Integer value) {
    return bind_integer(index, static_cast<std::int64_t>(value));
  }
  template <class T>
  Result<void> bind_value(int index, const std::optional<T>& value) {
    return value ? bind_value(index, *value) : bind_null(index);
  }

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One connection to a database file. Movable. Used by one thread at a time, with its statements; several
/// connections, of any process, may have the same file open.
class Database {
 public:
  /// Opens or creates `path` and the folders above it, with a write-ahead log, foreign keys on, and
  /// `synchronous = NORMAL` (a power cut may lose the latest commits, never the file), then migrates it.
  /// ":memory:" is a database of its own that ends with the connection.
  /// Errors: as above; kNotFound (read_only, and no such file); kUsage: another program's file, or one that a
  /// newer version of this program has made.
  static Result<Database> open(const std::filesystem::path& path, const Options& options = {});

  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  /// One statement. Everything after it is an error.
  Result<Statement> prepare(std::string_view sql);

  /// Any number of statements without parameters; stops at the first error.
  Result<void> execute(const std::string& sql);

  /// prepare() and run(), for what is done once.
  template <class... Values>
  Result<void> run(std::string_view sql, const Values&... values) {
    FOVEA_TRY(Statement statement, prepare(sql));
    return statement.run(values...);
  }

  [[nodiscard]] std::int64_t last_insert_rowid() const;
  /// Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] bool in_transaction() const;

  void set_busy_timeout(std::chrono::milliseconds timeout);

  /// Reads the whole file and says what is wrong with it: kDamaged. Takes time by the file's size.
  Result<void> check();

  /// Makes what runs on this connection fail with kCancelled soon. The one function that other threads may
  /// call meanwhile; the connection must stay open during the call.
  void interrupt();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  Database(sqlite3* connection, std::filesystem::path path)
      : connection_(connection), path_(std::move(path)) {}

  Result<void> configure(const Options& options);
  Result<void> use_log();
  Result<void> migrate(const Options& options);
  Result<std::int64_t> pragma(const std::string& name);

  std::unique_ptr<sqlite3, Close> connection_;
  std::filesystem::path path_;
};

/// A transaction that is rolled back at the end of the scope unless it was committed. Holds the write lock
/// from the start, so that no statement in it can fail because another connection wrote meanwhile.
class Transaction {
 public:
  /// Errors: as above; kInternal inside another transaction of this connection.
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  /// After an error the transaction is still open, and is rolled back at the end of the scope.
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;  // null: moved from, or committed
};

}  // namespace fovea::sqlite
