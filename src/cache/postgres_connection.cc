#include "cache/postgres_connection.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "base/shorten.h"
#include "cache/socket.h"

namespace fovea::cache {
namespace {

// The types' numbers, fixed in PostgreSQL's catalogue (pg_type.dat).
constexpr Oid kBytea = 17;
constexpr Oid kBigint = 20;
constexpr Oid kText = 25;
constexpr Oid kDouble = 701;

Oid type_of(PostgresValue::Kind kind) {
  switch (kind) {
    case PostgresValue::Kind::kBytes:
      return kBytea;
    case PostgresValue::Kind::kText:
      return kText;
    case PostgresValue::Kind::kBigint:
      return kBigint;
    case PostgresValue::Kind::kDouble:
      return kDouble;
  }
  return kBytea;
}

std::string to_network(std::uint64_t number) {
  std::string bytes(8, '\0');
  for (std::size_t i = 8; i-- > 0; number >>= 8U) bytes[i] = static_cast<char>(number & 0xffU);
  return bytes;
}

std::uint64_t from_network(std::string_view bytes) {
  std::uint64_t number = 0;
  if (bytes.size() != 8) return 0;
  for (const char byte : bytes) number = (number << 8U) | static_cast<unsigned char>(byte);
  return number;
}

/// The first line: the others explain to an administrator.
std::string first_line(const char* text) {
  const std::string_view all(text == nullptr ? "" : text);
  return shorten(all.substr(0, all.find('\n')), 300);
}

}  // namespace

void PostgresRows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

int PostgresRows::size() const {
  return PQntuples(result_.get());
}

std::string_view PostgresRows::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t PostgresRows::integer(int row, int column) const {
  return static_cast<std::int64_t>(from_network(bytes(row, column)));
}

double PostgresRows::real(int row, int column) const {
  return std::bit_cast<double>(from_network(bytes(row, column)));
}

bool PostgresRows::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::uint64_t PostgresRows::changed() const {
  const std::string_view text = PQcmdTuples(result_.get());
  std::uint64_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

PostgresValue PostgresValue::bigint(std::int64_t number) {
  return {Kind::kBigint, to_network(static_cast<std::uint64_t>(number))};
}

PostgresValue PostgresValue::real(double number) {
  return {Kind::kDouble, to_network(std::bit_cast<std::uint64_t>(number))};
}

void PostgresConnection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

std::unexpected<Error> PostgresConnection::failure() const {
  return fail(ErrorCode::kUnavailable, first_line(PQerrorMessage(connection_.get())));
}

Result<void> PostgresConnection::open(const std::string& conninfo, Clock::time_point deadline) {
  close();
  const std::array<const char*, 4> names = {"dbname", "application_name", "client_encoding", nullptr};
  const std::array<const char*, 4> values = {conninfo.c_str(), "fovea", "UTF8", nullptr};
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 1));
  if (connection_ == nullptr) return fail(ErrorCode::kUnavailable, "not enough memory");
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return failure();
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;
       next = PQconnectPoll(connection_.get())) {
    if (next == PGRES_POLLING_FAILED) return failure();
    const int descriptor = PQsocket(connection_.get());
    if (descriptor < 0) return failure();
    FOVEA_CHECK_OK(next == PGRES_POLLING_READING ? wait_readable(descriptor, deadline)
                                                 : wait_writable(descriptor, deadline));
  }
  if (PQsetnonblocking(connection_.get(), 1) != 0) return failure();
  // A notice would go to standard error.
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  return {};
}

Result<void> PostgresConnection::flush(Clock::time_point deadline) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) return failure();
    FOVEA_CHECK_OK(wait_writable(PQsocket(connection_.get()), deadline));
  }
}

Result<void> PostgresConnection::consume(Clock::time_point deadline) {
  while (PQisBusy(connection_.get()) != 0) {
    FOVEA_CHECK_OK(wait_readable(PQsocket(connection_.get()), deadline));
    if (PQconsumeInput(connection_.get()) == 0) return failure();
  }
  return {};
}

Result<PostgresRows> PostgresConnection::query(const std::string& sql,
                                               const std::vector<PostgresValue>& values,
                                               Clock::time_point deadline) {
  if (!is_open()) return fail(ErrorCode::kUnavailable, "not connected");
  std::vector<Oid> types;
  std::vector<const char*> data;
  std::vector<int> sizes;
  for (const PostgresValue& value : values) {
    types.push_back(type_of(value.kind));
    data.push_back(value.bytes.data());
    sizes.push_back(static_cast<int>(value.bytes.size()));
  }
  const std::vector<int> formats(values.size(), 1);
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), types.data(),
                        data.data(), sizes.data(), formats.data(), 1) == 0) {
    return failure();
  }
  FOVEA_CHECK_OK(flush(deadline));
  std::optional<PostgresRows> rows;
  std::optional<Error> error;
  for (;;) {
    FOVEA_CHECK_OK(consume(deadline));
    pg_result* result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      error = Error{ErrorCode::kUnavailable, first_line(PQresultErrorMessage(result))};
    }
    rows.emplace(result);
  }
  if (error) return std::unexpected(*std::move(error));
  if (!rows) return failure();
  return *std::move(rows);
}

}  // namespace fovea::cache
