#pragma once

#include <string>

#include "base/result.h"

struct sqlite3;

namespace fovea::sqlite {

/// The Error for what SQLite answered: `code` (extended or not) and what the connection, which may be null,
/// says about it, behind `context`.
[[nodiscard]] std::unexpected<Error> failure(sqlite3* connection, int code, const std::string& context);

}  // namespace fovea::sqlite
