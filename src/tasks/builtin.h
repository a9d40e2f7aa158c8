#pragma once

#include <span>
#include <string_view>
#include <utility>

namespace fovea::tasks {

/// Name and content of every file of the repository's tasks/ folder; the build writes them into the program.
std::span<const std::pair<std::string_view, std::string_view>> builtin_task_files();

}  // namespace fovea::tasks
