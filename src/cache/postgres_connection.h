#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/timer.h"

struct pg_conn;
struct pg_result;

namespace fovea::cache {

/// Rows of a query, every column in PostgreSQL's binary format.
class PostgresRows {
 public:
  explicit PostgresRows(pg_result* result) : result_(result) {}
  [[nodiscard]] int size() const;
  [[nodiscard]] std::string_view bytes(int row, int column) const;
  /// 0 where the column does not hold the 8 bytes of a bigint (or of a double precision).
  [[nodiscard]] std::int64_t integer(int row, int column) const;
  [[nodiscard]] double real(int row, int column) const;
  [[nodiscard]] bool is_null(int row, int column) const;
  /// Rows that an INSERT or DELETE changed.
  [[nodiscard]] std::uint64_t changed() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

/// A value for $1, $2, …, in binary.
struct PostgresValue {
  enum class Kind { kBytes, kText, kBigint, kDouble };
  Kind kind;
  std::string bytes;

  static PostgresValue blob(std::string_view bytes) { return {Kind::kBytes, std::string(bytes)}; }
  static PostgresValue text(std::string_view text) { return {Kind::kText, std::string(text)}; }
  static PostgresValue bigint(std::int64_t number);
  static PostgresValue real(double number);
};

/// libpq with deadlines. Used by one thread at a time. Errors: kCancelled at the deadline, kUnavailable with
/// the server's words.
class PostgresConnection {
 public:
  /// Looking up a host's name takes the system's time, whatever the deadline.
  Result<void> open(const std::string& conninfo, Clock::time_point deadline);
  void close() { connection_.reset(); }
  [[nodiscard]] bool is_open() const { return connection_ != nullptr; }

  /// One statement.
  Result<PostgresRows> query(const std::string& sql, const std::vector<PostgresValue>& values,
                             Clock::time_point deadline);

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  [[nodiscard]] std::unexpected<Error> failure() const;
  Result<void> flush(Clock::time_point deadline);
  Result<void> consume(Clock::time_point deadline);

  std::unique_ptr<pg_conn, Finish> connection_;
};

}  // namespace fovea::cache
