#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea::tasks {

enum class FieldType { kText, kWholeNumber, kFlag };

/// One thing a task asks for. Any field may be null: the picture does not show it.
struct Field {
  std::string name;
  FieldType type = FieldType::kText;
  std::string title;       ///< heading of its column in a table for people
  int display_width = 12;  ///< width of that column
};

/// What is asked of a picture and the form of the answer.
struct Task {
  std::string name;
  std::string prompt;
  std::vector<Field> fields;  ///< in the order of the answer
  std::size_t max_new_tokens = 256;
};

/// The task of that name, or null.
const Task* find_task(std::string_view name);

/// The task of that name. Errors: `code`, naming the tasks there are.
Result<const Task*> require_task(std::string_view name, ErrorCode code);

/// The names of all tasks, for messages.
std::vector<std::string> task_names();

/// Reads a model's answer: one JSON object that has exactly the task's fields, each null or of its type.
/// Errors (kInvalidOutput): anything else, with the answer's beginning.
Result<nlohmann::ordered_json> parse_answer(const Task& task, std::string_view answer);

}  // namespace fovea::tasks
