#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace fovea::tasks {

/// More bytes than this are refused before they are parsed.
inline constexpr std::size_t kMaxTaskFileBytes = std::size_t{256} << 10;

/// Something in a task file that cannot be: where, what was expected, what was found.
struct Mistake {
  std::size_t line = 1;    ///< from 1
  std::size_t column = 1;  ///< from 1
  std::string message;
};

/// Reads a task from TOML; docs/tasks.md has the form. Gives the task, or every mistake that was found, in
/// the file's order (a mistake of TOML itself ends the reading). Never throws.
std::expected<Task, std::vector<Mistake>> parse_task(std::string_view toml);

/// The mistakes a line each, "source:line:column: message".
std::string describe(const std::vector<Mistake>& mistakes, std::string_view source);

}  // namespace fovea::tasks
