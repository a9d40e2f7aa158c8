#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/request_id.h"
#include "commands.h"
#include "common.h"
#include "progress.h"
#include "recognize/service.h"
#include "registry/locate.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

namespace fs = std::filesystem;

struct RecognizeArguments {
  ModelOptions model;
  std::vector<std::string> inputs;
  TaskOptions task;
  std::size_t concurrency = 4;
  bool json = false;
};

bool has_image_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".webp";
}

/// The pictures a command line names: files as they are, the image files below each folder in order, and "-"
/// for one picture on standard input. Names that lead nowhere are kept: each fails by itself later.
/// A folder without pictures is told and counted in `failed_folders`.
std::vector<std::string> expand_inputs(const std::vector<std::string>& inputs, std::size_t& failed_folders) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (input == "-" || !fs::is_directory(input, error)) {
      files.push_back(input);
      continue;
    }
    std::vector<std::string> found;
    for (fs::recursive_directory_iterator entry(input, fs::directory_options::skip_permission_denied, error),
         end;
         !error && entry != end; entry.increment(error)) {
      std::error_code leads_nowhere;
      if (has_image_extension(entry->path()) && entry->is_regular_file(leads_nowhere)) {
        found.push_back(entry->path().string());
      }
    }
    if (error) {
      fmt::print(stderr, "fovea: {}: cannot list the whole folder: {}\n", input, error.message());
      ++failed_folders;
    } else if (found.empty()) {
      fmt::print(stderr, "fovea: {}: no JPEG, PNG or WebP files in this folder\n", input);
      ++failed_folders;
    }
    std::ranges::sort(found);
    std::ranges::move(found, std::back_inserter(files));
  }
  return files;
}

Result<std::string> read_input(const std::string& file) {
  return file == "-" ? read_standard_input(image::kMaxFileBytes) : read_file(file, image::kMaxFileBytes);
}

std::string cell(const nlohmann::ordered_json& value) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Rows for people; columns as wide as the task says, wider where a value needs it.
class Table {
 public:
  Table(const tasks::Task& task, const std::vector<std::string>& files) : task_(task) {
    for (const std::string& file : files) file_width_ = std::clamp(file.size(), file_width_, kMaxFileWidth);
  }
  void print_header() const {
    std::string line = fmt::format("{:<{}}", "file", file_width_);
    for (const tasks::Field& field : task_.fields)
      line += fmt::format("  {:<{}}", field.title, field.display_width);
    fmt::print("{}  {:>6}\n", line, "ms");
  }
  void print(const recognize::Recognition& answer) const {
    std::string file = answer.file;
    if (file.size() > kMaxFileWidth) file = "…" + file.substr(file.size() - kMaxFileWidth + 1);
    std::string line = fmt::format("{:<{}}", file, file_width_);
    for (const tasks::Field& field : task_.fields) {
      line += fmt::format("  {:<{}}", cell(answer.fields[field.name]), field.display_width);
    }
    fmt::print("{}  {:>6.0f}\n", line, answer.timings.total_ms);
  }

 private:
  static constexpr std::size_t kMaxFileWidth = 40;
  const tasks::Task& task_;
  std::size_t file_width_ = 4;
};

/// A picture on its way: its bytes, which must outlive the answer and stay where they are when this moves (a
/// short string would not), and the answer.
struct Reading {
  std::string file;
  std::unique_ptr<const std::string> bytes;
  std::future<recognize::Recognition> answer;
};

Reading start_reading(recognize::Service& service, const std::string& file, const std::string& task) {
  Reading reading{.file = file, .bytes = {}, .answer = {}};
  auto bytes = read_input(file);
  std::promise<recognize::Recognition> promise;
  reading.answer = promise.get_future();
  if (!bytes) {
    recognize::Recognition failed;
    failed.request_id = make_request_id();
    failed.file = file;
    failed.task = task;
    failed.model = service.models().front().id;
    failed.model_version = service.models().front().version;
    failed.error = std::move(bytes).error();
    promise.set_value(std::move(failed));
    return reading;
  }
  reading.bytes = std::make_unique<const std::string>(std::move(*bytes));
  recognize::Request request{
      .request_id = "", .file = file, .bytes = std::as_bytes(std::span(*reading.bytes)), .task = task};
  service.recognize(std::move(request),
                    [promise = std::move(promise)](recognize::Recognition answer) mutable {
                      promise.set_value(std::move(answer));
                    });
  return reading;
}

Result<int> run_recognize(const RecognizeArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  const auto options = arguments.model.generator_options();
  FOVEA_TRY(
      const auto directory,
      registry::locate_model(arguments.model.model.empty() ? default_model(*task) : arguments.model.model));
  std::size_t failed_folders = 0;
  const auto files = expand_inputs(arguments.inputs, failed_folders);
  if (files.empty()) return 1;
  FOVEA_TRY(
      const auto service,
      recognize::Service::open(
          {.model = directory, .generator = options, .tasks = known_tasks, .catalogue = open_catalogue()}));
  const Table table(*task, files);
  Progress progress(files.size());
  if (!arguments.json) table.print_header();
  std::size_t failed = 0;
  std::deque<Reading> under_way;
  std::size_t started = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    progress.show(i);
    while (started < files.size() && under_way.size() < arguments.concurrency) {
      under_way.push_back(start_reading(*service, files[started++], task->name));
    }
    const recognize::Recognition answer = under_way.front().answer.get();
    under_way.pop_front();
    progress.clear();
    if (!answer.ok()) {
      ++failed;
      report_failure(files[i], *answer.error);
    }
    if (arguments.json) {
      fmt::print("{}\n", answer.to_json().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else if (answer.ok()) {
      table.print(answer);
    }
    std::fflush(stdout);
  }
  if (failed > 0) fmt::print(stderr, "fovea: {} of {} pictures could not be read\n", failed, files.size());
  return failed + failed_folders > 0 ? 1 : 0;
}

}  // namespace

void add_recognize(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RecognizeArguments>();
  CLI::App* command = app.add_subcommand("recognize", "Read pictures: a table, or JSON lines");
  command
      ->add_option("inputs", arguments->inputs,
                   "Pictures, folders of pictures, or - for a picture on standard input")
      ->required()
      ->type_name("FILES|DIRS|-");
  arguments->task.add_to(*command);
  arguments->model.add_to(*command, /*model_required=*/false);
  command
      ->add_option("--concurrency", arguments->concurrency,
                   "Pictures that are computed side by side: more are faster together, each takes longer")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{64}).description(""));
  command->add_flag("--json", arguments->json, "Print one JSON object for each picture");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_recognize(*arguments);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace fovea::cli
