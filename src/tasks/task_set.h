#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace fovea::tasks {

/// The tasks a process knows, by name. Loaded at start-up, then only read: any number of threads may.
class TaskSet {
 public:
  /// The built-in tasks.
  static TaskSet builtin();

  /// The built-in tasks, then those of the files: each path is a task file or a folder whose *.toml are read
  /// in the order of their names. A later file replaces a task of the same name that came before; the same
  /// name twice in one folder is a mistake.
  /// Errors: kUsage with every mistake of every file, a line each; kNotFound for a path that leads nowhere.
  static Result<TaskSet> load(std::span<const std::filesystem::path> paths);

  /// The task of that name, or null. It lives as long as the set.
  [[nodiscard]] const Task* find(std::string_view name) const;

  /// The task of that name. Errors: `code`, naming the tasks there are.
  [[nodiscard]] Result<const Task*> require(std::string_view name, ErrorCode code) const;

  /// The names of all tasks, sorted.
  [[nodiscard]] std::vector<std::string> names() const;

  /// Where a task of the set came from: a file, or "built in".
  [[nodiscard]] std::string origin(std::string_view name) const;

 private:
  struct Entry {
    std::unique_ptr<const Task> task;  // its address stays when the set is moved
    std::string origin;
  };
  Result<void> add(std::string_view text, const std::string& source, const std::string& origin);

  std::map<std::string, Entry, std::less<>> tasks_;
};

/// The built-in tasks alone, made once.
const std::shared_ptr<const TaskSet>& builtin_tasks();

/// `$XDG_DATA_HOME/fovea/tasks` (default `~/.local/share/fovea/tasks`) where it exists, then `extra`: what
/// TaskSet::load is given at start-up.
std::vector<std::filesystem::path> task_paths(std::span<const std::string> extra);

}  // namespace fovea::tasks
