#include "catalog/catalog.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "commands.h"
#include "common.h"

namespace fovea::cli {
namespace {

struct CatalogArguments {
  TaskOptions task;
  std::vector<std::string> files;
  std::vector<std::string> fields;  // name=value
  std::size_t limit = 3;
  bool strict = false;
  bool json = false;
};

std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The catalogue, which must be there.
Result<std::unique_ptr<catalog::Catalog>> open_existing() {
  const auto path = catalog::Catalog::default_path();
  FOVEA_TRY(auto catalogue, catalog::Catalog::open_existing(path));
  if (catalogue == nullptr) {
    return fail(ErrorCode::kNotFound,
                fmt::format("no catalogue {}; make one: fovea catalog import cards.csv", path.string()));
  }
  return catalogue;
}

Result<int> import(const CatalogArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  FOVEA_TRY(auto catalogue, catalog::Catalog::open(catalog::Catalog::default_path()));
  const std::vector<std::filesystem::path> files(arguments.files.begin(), arguments.files.end());
  FOVEA_TRY(const auto done, catalogue->import_csv(*task, files, {.strict = arguments.strict}));
  for (const auto& mistake : done.mistakes) {
    fmt::print(stderr, "{}:{}: {}\n", mistake.file, mistake.line, mistake.message);
  }
  if (done.refused > done.mistakes.size()) {
    fmt::print(stderr, "… and {} more\n", done.refused - done.mistakes.size());
  }
  if (arguments.json) {
    fmt::print("{}\n", dump({{"task", task->name}, {"imported", done.imported}, {"refused", done.refused}}));
  } else {
    fmt::print("{}: {} entries imported, {} records refused\n", task->name, done.imported, done.refused);
  }
  return done.refused > 0 ? 1 : 0;
}

Result<int> stats(const CatalogArguments& arguments) {
  FOVEA_TRY(auto catalogue, open_existing());
  FOVEA_TRY(const auto all, catalogue->stats());
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& task : all) {
    nlohmann::ordered_json distinct = nlohmann::ordered_json::object();
    for (const auto& [field, count] : task.distinct) distinct[field] = count;
    json.push_back({{"task", task.task}, {"entries", task.entries}, {"distinct", distinct}});
    if (arguments.json) continue;
    fmt::print("{}: {} entries\n", task.task, task.entries);
    for (const auto& [field, count] : task.distinct)
      fmt::print("  {:<20} {:>9} different values\n", field, count);
  }
  if (arguments.json) fmt::print("{}\n", dump({{"tasks", json}}));
  return 0;
}

Result<int> clear(const CatalogArguments& arguments) {
  FOVEA_TRY(auto catalogue, catalog::Catalog::open(catalog::Catalog::default_path()));
  FOVEA_TRY(const auto removed, catalogue->clear(arguments.task.name));
  fmt::print("{}: {} entries removed\n", arguments.task.name, removed);
  return 0;
}

/// A reading from name=value pairs: a value is JSON where the field is no text.
Result<nlohmann::ordered_json> reading(const tasks::Task& task, const std::vector<std::string>& pairs) {
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    const std::string name = pair.substr(0, equals);
    const tasks::Field* field = task.find_field(name);
    if (equals == std::string::npos || field == nullptr) {
      return fail(
          ErrorCode::kUsage,
          fmt::format("--field: expected name=value with a field of task {}, found \"{}\"", task.name, pair));
    }
    const std::string value = pair.substr(equals + 1);
    const bool text = field->type == tasks::FieldType::kText || field->type == tasks::FieldType::kLabel;
    if (text) {
      fields[name] = value;
    } else {
      FOVEA_TRY(fields[name], parse_json(value, "--field " + name));
    }
    if (const auto mistake = tasks::form_mistake(*field, fields[name])) {
      return fail(ErrorCode::kUsage, fmt::format("--field: {} {}", name, *mistake));
    }
  }
  return fields;
}

Result<int> match(const CatalogArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  FOVEA_TRY(const auto fields, reading(*task, arguments.fields));
  FOVEA_TRY(auto catalogue, open_existing());
  const Stopwatch watch;
  FOVEA_TRY(const auto candidates, catalogue->match(*task, fields, arguments.limit));
  const double match_ms = watch.elapsed_ms();
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& candidate : candidates) {
    json.push_back(candidate.to_json());
    if (arguments.json) continue;
    fmt::print("{:.3f}  {}\n", candidate.score, dump(candidate.fields));
  }
  if (arguments.json) fmt::print("{}\n", dump({{"candidates", json}, {"match_ms", match_ms}}));
  if (!arguments.json && candidates.empty())
    fmt::print(stderr, "fovea: nothing in the catalogue is like it\n");
  return 0;
}

}  // namespace

void add_catalog(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CatalogArguments>();
  CLI::App* command = app.add_subcommand("catalog", "Known things that readings are matched with");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* text, Result<int> (*run)(const CatalogArguments&)) {
    CLI::App* part = command->add_subcommand(name, text);
    part->callback([arguments, run, &action] {
      action = [arguments, run] {
        const auto done = run(*arguments);
        return done ? *done : report(done.error());
      };
    });
    return part;
  };
  CLI::App* importing = add("import", "Replace a task's entries by those of CSV files", import);
  importing->add_option("files", arguments->files, "CSV files whose headers name fields")
      ->required()
      ->type_name("FILES");
  arguments->task.add_to(*importing, "The task whose fields they are");
  importing->add_flag("--strict", arguments->strict, "Import nothing if one record is bad");
  importing->add_flag("--json", arguments->json, "Print one JSON object");
  add("stats", "How much there is", stats)->add_flag("--json", arguments->json, "Print one JSON object");
  arguments->task.add_to(*add("clear", "Remove a task's entries", clear), "The task");
  CLI::App* matching = add("match", "The entries most like a reading", match);
  matching->add_option("--field", arguments->fields, "What was read, once a field")
      ->required()
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  arguments->task.add_to(*matching, "The task whose fields they are");
  matching->add_option("--limit", arguments->limit, "Entries at most")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 100).description(""));
  matching->add_flag("--json", arguments->json, "Print one JSON object");
}

}  // namespace fovea::cli
