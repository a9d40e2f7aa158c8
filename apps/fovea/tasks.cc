#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "commands.h"
#include "common.h"
#include "tasks/task_file.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

struct TasksArguments {
  TaskOptions task;
  std::string file;
  bool json = false;
};

const char* kind_name(const tasks::Task& task) {
  return task.kind == tasks::Kind::kLabels ? "labels" : "fields";
}

std::string dump(const nlohmann::ordered_json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::ordered_json to_json(const tasks::Task& task, const std::string& origin) {
  return {{"name", task.name},
          {"kind", kind_name(task)},
          {"origin", origin},
          {"digest", task.digest()},
          {"prompt", task.prompt},
          {"models", {{"fast", task.models.fast}, {"accurate", task.models.accurate}}},
          {"accept", task.accept},
          {"max_new_tokens", task.max_new_tokens},
          {"schema", task.json_schema()}};
}

Result<int> list(const TasksArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  if (!arguments.json)
    fmt::print("{:<20}  {:<6}  {:>6}  {:<12}  {}\n", "task", "kind", "fields", "digest", "from");
  for (const std::string& name : known_tasks->names()) {
    const tasks::Task& task = *known_tasks->find(name);
    if (arguments.json) {
      all.push_back(to_json(task, known_tasks->origin(name)));
    } else {
      fmt::print("{:<20}  {:<6}  {:>6}  {:<12}  {}\n", name, kind_name(task), task.fields.size(),
                 task.digest().substr(0, 12), known_tasks->origin(name));
    }
  }
  if (arguments.json) fmt::print("{}\n", dump({{"tasks", all}}));
  return 0;
}

Result<int> show(const TasksArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  fmt::print("{}\n", dump(to_json(*task, known_tasks->origin(task->name)), arguments.json ? -1 : 2));
  return 0;
}

Result<int> check(const TasksArguments& arguments) {
  FOVEA_TRY(const std::string text, read_file(arguments.file, tasks::kMaxTaskFileBytes));
  const auto task = tasks::parse_task(text);
  if (!task) {
    fmt::print(stderr, "{}\n", tasks::describe(task.error(), arguments.file));
    return 1;
  }
  fmt::print("{}\n", dump(task->json_schema(), 2));
  fmt::print("ok: task {}\n", task->name);
  return 0;
}

}  // namespace

void add_tasks(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TasksArguments>();
  CLI::App* command = app.add_subcommand("tasks", "The tasks there are, and what is wrong with a task file");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* text, Result<int> (*run)(const TasksArguments&)) {
    CLI::App* part = command->add_subcommand(name, text);
    part->callback([arguments, run, &action] {
      action = [arguments, run] {
        const auto done = run(*arguments);
        return done ? *done : report(done.error());
      };
    });
    return part;
  };
  CLI::App* listing = add("list", "Every task, with its kind and where it came from", list);
  arguments->task.add_paths_to(*listing);
  listing->add_flag("--json", arguments->json, "Print one JSON object");
  CLI::App* showing = add("show", "One task, with the schema of its answer", show);
  showing->add_option("name", arguments->task.name, "The task")->required()->type_name("NAME");
  arguments->task.add_paths_to(*showing);
  showing->add_flag("--json", arguments->json, "Print it on one line");
  add("check", "Read a task file: its schema, or its mistakes with line and column", check)
      ->add_option("file", arguments->file, "A task file (TOML)")
      ->required()
      ->type_name("FILE");
}

}  // namespace fovea::cli
