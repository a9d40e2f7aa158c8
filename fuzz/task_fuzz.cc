// Task files of arbitrary bytes: what is accepted must be usable, and what is refused must say so in messages
// that can stand in a JSON answer.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tasks/check.h"
#include "tasks/normalise.h"
#include "tasks/task_file.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto task = fovea::tasks::parse_task(text);
  if (!task) {
    require(!task.error().empty());
    for (const auto& mistake : task.error()) require(mistake.line >= 1 && mistake.column >= 1);
    (void)nlohmann::json(fovea::tasks::describe(task.error(), "fuzz"))
        .dump();  // throws where it is not UTF-8
    return 0;
  }
  require(!task->fields.empty());
  require(task->digest().size() == 64);
  const auto schema = task->json_schema();
  require(fovea::parse_json(schema.dump(), "schema").has_value());
  // The input itself as a value: patterns, normalisers and validators meet text they were not made for.
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  for (const auto& field : task->fields) fields[field.name] = std::string(text);
  (void)fovea::tasks::check_fields(*task, fields);
  (void)fovea::tasks::check_reading(*task, fovea::tasks::clean_fields(*task, fields));
  return 0;
}
