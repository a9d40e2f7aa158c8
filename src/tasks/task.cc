#include "tasks/task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"

namespace fovea::tasks {
namespace {

const std::vector<Task>& all_tasks() {
  static const std::vector<Task> tasks{
      {.name = "trading-card",
       .prompt = "Read this trading card. Answer in JSON.",
       .fields =
           {{.name = "name", .type = FieldType::kText, .title = "name", .display_width = 22},
            {.name = "hp", .type = FieldType::kWholeNumber, .title = "hp", .display_width = 4},
            {.name = "collector_number", .type = FieldType::kText, .title = "number", .display_width = 9},
            {.name = "set_name", .type = FieldType::kText, .title = "set", .display_width = 22},
            {.name = "rarity", .type = FieldType::kText, .title = "rarity", .display_width = 12},
            {.name = "stage", .type = FieldType::kText, .title = "stage", .display_width = 8},
            {.name = "first_edition", .type = FieldType::kFlag, .title = "1st ed.", .display_width = 7}},
       .max_new_tokens = 256}};
  return tasks;
}

bool fits(FieldType type, const nlohmann::json& value) {
  if (value.is_null()) return true;
  switch (type) {
    case FieldType::kText:
      return value.is_string();
    case FieldType::kWholeNumber:
      return value.is_number_unsigned();
    case FieldType::kFlag:
      return value.is_boolean();
  }
  return false;
}

}  // namespace

const Task* find_task(std::string_view name) {
  for (const Task& task : all_tasks()) {
    if (task.name == name) return &task;
  }
  return nullptr;
}

Result<const Task*> require_task(std::string_view name, ErrorCode code) {
  if (const Task* task = find_task(name); task != nullptr) return task;
  return fail(code, fmt::format("no task \"{}\"; there is: {}", name, fmt::join(task_names(), ", ")));
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task& task : all_tasks()) names.push_back(task.name);
  return names;
}

Result<nlohmann::ordered_json> parse_answer(const Task& task, std::string_view answer) {
  const auto bad = [&](const std::string& reason) {
    return fail(
        ErrorCode::kInvalidOutput,
        fmt::format("the model's answer is not what task {} asks for: {}; it begins: {}", task.name, reason,
                    nlohmann::json(std::string(answer.substr(0, 120)))
                        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  };
  const auto json = parse_json(answer, "answer", {.max_bytes = std::size_t{1} << 20, .max_depth = 8});
  if (!json) return bad(json.error().message);
  if (!json->is_object()) return bad("it is no JSON object");
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  for (const Field& field : task.fields) {
    const auto found = json->find(field.name);
    if (found == json->end()) return bad(fmt::format("{} is missing", field.name));
    if (!fits(field.type, *found)) return bad(fmt::format("{} has the wrong type", field.name));
    fields[field.name] = *found;
  }
  if (json->size() != fields.size()) return bad("it has fields that were not asked for");
  return fields;
}

}  // namespace fovea::tasks
