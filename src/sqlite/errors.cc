#include "sqlite/errors.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace fovea::sqlite {
namespace {

ErrorCode error_code(int primary) {
  switch (primary) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
      return ErrorCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kDamaged;
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::kIo;
    case SQLITE_TOOBIG:
      return ErrorCode::kTooLarge;
    case SQLITE_INTERRUPT:
      return ErrorCode::kCancelled;
    case SQLITE_CONSTRAINT:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

/// What a person may want to know beyond SQLite's own words.
const char* advice(int primary) {
  switch (primary) {
    case SQLITE_BUSY:
      return "; another program is writing to it";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; restore it from a backup, or move it away to start with a new one";
    case SQLITE_FULL:
      return "; free some space on its file system, or raise its size limit";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return "; the file and its folder must be writable";
    default:
      return "";
  }
}

}  // namespace

std::unexpected<Error> failure(sqlite3* connection, int code, const std::string& context) {
  const int primary = code & 0xff;
  // The connection speaks of its latest call, which may have been another one.
  const bool its_own = connection != nullptr && (sqlite3_errcode(connection) & 0xff) == primary;
  const char* words = its_own ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  return fail(error_code(primary), fmt::format("{}: {}{}", context, words, advice(primary)));
}

}  // namespace fovea::sqlite
