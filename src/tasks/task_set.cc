#include "tasks/task_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>

#include "base/file.h"
#include "tasks/builtin.h"
#include "tasks/task_file.h"

namespace fovea::tasks {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFilesOfFolder = 1000;

/// The task files of a folder, sorted by name.
Result<std::vector<fs::path>> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".toml") files.push_back(entry->path());
    if (files.size() > kMaxFilesOfFolder) {
      return fail(ErrorCode::kUsage, fmt::format("{}: expected at most {} task files, found more",
                                                 folder.string(), kMaxFilesOfFolder));
    }
  }
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: {}", folder.string(), error.message()));
  std::ranges::sort(files);
  return files;
}

}  // namespace

Result<void> TaskSet::add(std::string_view text, const std::string& source, const std::string& origin) {
  auto task = parse_task(text);
  if (!task) return fail(ErrorCode::kUsage, describe(task.error(), source));
  const std::string name = task->name;
  tasks_[name] = {.task = std::make_unique<const Task>(std::move(*task)), .origin = origin};
  return {};
}

TaskSet TaskSet::builtin() {
  TaskSet set;
  for (const auto& [file, text] : builtin_task_files()) {
    [[maybe_unused]] const auto added = set.add(text, std::string(file), "built in");
    assert(added.has_value());  // a test reads every one of them
  }
  return set;
}

Result<TaskSet> TaskSet::load(std::span<const fs::path> paths) {
  TaskSet set = builtin();
  std::string mistakes;
  for (const fs::path& path : paths) {
    std::error_code error;
    std::vector<fs::path> files{path};
    if (fs::is_directory(path, error)) {
      FOVEA_TRY(files, files_of(path));
    }
    std::map<std::string, std::string> here;  // the file that each name of this path came from
    for (const fs::path& file : files) {
      const auto text = read_file(file, kMaxTaskFileBytes);
      if (!text && text.error().code == ErrorCode::kNotFound) return std::unexpected(text.error());
      const auto task = text ? parse_task(*text) : std::unexpected(std::vector<Mistake>{});
      std::string wrong;
      if (!text) {
        wrong = text.error().message;
      } else if (!task) {
        wrong = describe(task.error(), file.string());
      } else if (const auto [first, added] = here.emplace(task->name, file.string()); !added) {
        wrong = fmt::format("{}:1:1: the task {} stands in {} too", file.string(), task->name, first->second);
      } else {
        set.tasks_[task->name] = {.task = std::make_unique<const Task>(*task), .origin = file.string()};
      }
      if (!wrong.empty()) mistakes += (mistakes.empty() ? "" : "\n") + wrong;
    }
  }
  if (!mistakes.empty()) return fail(ErrorCode::kUsage, std::move(mistakes));
  return set;
}

const Task* TaskSet::find(std::string_view name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? nullptr : found->second.task.get();
}

Result<const Task*> TaskSet::require(std::string_view name, ErrorCode code) const {
  if (const Task* task = find(name); task != nullptr) return task;
  return fail(code, fmt::format("no task \"{}\"; there is: {}", name, fmt::join(names(), ", ")));
}

std::vector<std::string> TaskSet::names() const {
  std::vector<std::string> names;
  names.reserve(tasks_.size());
  for (const auto& [name, entry] : tasks_) names.push_back(name);
  return names;
}

std::string TaskSet::origin(std::string_view name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? "" : found->second.origin;
}

const std::shared_ptr<const TaskSet>& builtin_tasks() {
  static const auto tasks = std::make_shared<const TaskSet>(TaskSet::builtin());
  return tasks;
}

std::vector<fs::path> task_paths(std::span<const std::string> extra) {
  const auto variable = [](const char* name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the program sets no variables.
    const char* value = std::getenv(name);
    return value == nullptr ? fs::path() : fs::path(value);
  };
  fs::path data = variable("XDG_DATA_HOME");
  if (data.empty() && !variable("HOME").empty()) data = variable("HOME") / ".local" / "share";
  std::vector<fs::path> paths;
  std::error_code ignored;
  if (!data.empty() && fs::is_directory(data / "fovea" / "tasks", ignored)) {
    paths.push_back(data / "fovea" / "tasks");
  }
  for (const std::string& path : extra) paths.emplace_back(path);
  return paths;
}

}  // namespace fovea::tasks
