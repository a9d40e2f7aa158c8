#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/generator.h"
#include "tasks/task_set.h"

namespace fovea::cli {

/// The model that commands without a task use unless told otherwise.
inline constexpr const char* kDefaultModel = "card-reader-m";

/// The model that answers a task where none is named: its accurate one, else its fast one, of those that can
/// be found; else kDefaultModel.
std::string default_model(const tasks::Task& task);

/// Prints "fovea: message" on standard error and gives the exit code that goes with the error.
int report(const Error& error);

/// Prints "fovea: file: message" for a picture that could not be read; what surrounds it goes on.
void report_failure(const std::string& file, const Error& error);

/// Options that every command with a model has.
struct ModelOptions {
  std::string model;
  std::string dtype;     ///< empty: as stored
  std::string kv_cache;  ///< empty: as goes with the weights
  std::size_t threads = 0;
  std::string pin = "auto";
  bool mlock = false;
  bool huge_pages = false;

  /// `--model`, `--dtype`, `--kv-cache`, `--threads`, `--pin`, `--mlock`, `--huge-pages` and their
  /// environment variables.
  void add_to(CLI::App& command, bool model_required);

  [[nodiscard]] engine::GeneratorOptions generator_options() const;
};

/// The user's catalogue, or null where there is none. One that cannot be opened is a warning: readings go on
/// without it.
std::shared_ptr<catalog::Catalog> open_catalogue();

/// Options that every command with a task has.
struct TaskOptions {
  std::string name = "trading-card";
  std::vector<std::string> paths;

  /// `--task` and add_paths_to().
  void add_to(CLI::App& command, const std::string& description = "What to ask");
  /// `--tasks` and its environment variable.
  void add_paths_to(CLI::App& command);

  /// All tasks there are: built in, the user's, and those of `--tasks`.
  [[nodiscard]] Result<std::shared_ptr<const tasks::TaskSet>> load() const;
};

}  // namespace fovea::cli
