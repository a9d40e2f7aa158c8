#include <fmt/format.h>
#include <sqlite3.h>

#include "base/shorten.h"
#include "sqlite/database.h"
#include "sqlite/errors.h"

namespace fovea::sqlite {
namespace {

std::unexpected<Error> statement_failure(sqlite3_stmt* statement, int code) {
  sqlite3* connection = sqlite3_db_handle(statement);
  const char* file = sqlite3_db_filename(connection, nullptr);
  const bool named = file != nullptr && *file != '\0';
  return failure(connection, code, named ? file : ":memory:");
}

Result<void> checked(sqlite3_stmt* statement, int code) {
  if (code != SQLITE_OK) return statement_failure(statement, code);
  return {};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<void> Statement::restart(std::size_t parameters) {
  reset();
  const int wanted = sqlite3_bind_parameter_count(statement_.get());
  if (static_cast<std::size_t>(wanted) != parameters) {
    return fail(ErrorCode::kInternal, fmt::format("expected {} parameters, got {}: {}", wanted, parameters,
                                                  shorten(sqlite3_sql(statement_.get()), 200)));
  }
  return {};
}

Result<void> Statement::finish() {
  for (;;) {
    FOVEA_TRY(const bool row, step());
    if (!row) return {};
  }
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    auto error = statement_failure(statement_.get(), code);
    reset();
    return error;
  }
  reset();
  return false;
}

// Its code repeats the error of the step before, which was told already.
void Statement::reset() {
  (void)sqlite3_reset(statement_.get());
}

Result<void> Statement::bind_null(int index) {
  return checked(statement_.get(), sqlite3_bind_null(statement_.get(), index));
}

Result<void> Statement::bind_integer(int index, std::int64_t value) {
  return checked(statement_.get(), sqlite3_bind_int64(statement_.get(), index, value));
}

Result<void> Statement::bind_real(int index, double value) {
  return checked(statement_.get(), sqlite3_bind_double(statement_.get(), index, value));
}

Result<void> Statement::bind_text(int index, std::string_view value) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = value.data() == nullptr ? "" : value.data();
  return checked(statement_.get(), sqlite3_bind_text64(statement_.get(), index, data, value.size(),
                                                       SQLITE_TRANSIENT, SQLITE_UTF8));
}

Result<void> Statement::bind_blob(int index, std::span<const std::byte> value) {
  if (value.empty()) return checked(statement_.get(), sqlite3_bind_zeroblob(statement_.get(), index, 0));
  return checked(statement_.get(),
                 sqlite3_bind_blob64(statement_.get(), index, value.data(), value.size(), SQLITE_TRANSIENT));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

}  // namespace fovea::sqlite
