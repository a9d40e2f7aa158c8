#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sqlite/database.h"

namespace fovea::catalog {

/// How the catalogue's file is made. Distinct values of a field stand once, in `value`; `entry_value` says
/// which entries have them. A value's id holds its field's: `id % kFieldsAtMost`. So what the trigram index,
/// which holds the values of every field, finds for one field is told apart without looking anything up.
sqlite::Options database_options();

inline constexpr std::int64_t kFieldsAtMost = 4096;

/// The number of a task's field; nothing where the file has none.
Result<std::optional<std::int64_t>> find_field(sqlite::Database& database, std::string_view task,
                                               std::string_view field);

/// Removes a task's entries, inside a transaction of the caller's, and says how many there were.
Result<std::uint64_t> remove_entries(sqlite::Database& database, std::string_view task);

}  // namespace fovea::catalog
