#include "common.h"

#include <fmt/format.h>

#include <cstdio>

#include "registry/locate.h"

namespace fovea::cli {

void report_failure(const std::string& file, const Error& error) {
  const bool named = error.message.starts_with(file);
  fmt::print(stderr, "fovea: {}{}{}\n", named ? "" : file, named ? "" : ": ", error.message);
}

std::string default_model(const tasks::Task& task) {
  for (const std::string& name : {task.models.accurate, task.models.fast}) {
    if (!name.empty() && registry::locate_model(name)) return name;
  }
  return kDefaultModel;
}

int report(const Error& error) {
  fmt::print(stderr, "fovea: {}\n", error.message);
  return exit_code(error.code);
}

void ModelOptions::add_to(CLI::App& command, bool model_required) {
  CLI::Option* option =
      command
          .add_option("--model", model,
                      "A checkpoint directory, or the name of a model" +
                          std::string(model_required || !model.empty() ? "" : " (default: the task's own)"))
          ->type_name("NAME|DIR");
  if (model_required) {
    option->required();
  } else {
    option->capture_default_str();
  }
  command
      .add_option("--dtype", dtype,
                  "Compute with weights of this type: f32, bf16, int8 or int4 (default: as stored)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "bf16", "int8", "int4"}).description(""));
  command
      .add_option(
          "--kv-cache", kv_cache,
          "Keep keys and values in bf16 or int8, which takes about half of the memory (default: bf16; "
          "beside f32 weights they are f32)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"bf16", "int8"}).description(""));
  command.add_option("--threads", threads, "Threads to compute with (default: every processor)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
  command
      .add_option("--pin", pin,
                  "Keep each thread on a physical core of its own: auto (when there are as many threads as "
                  "cores), always or never")
      ->capture_default_str()
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
  command.add_flag("--mlock", mlock, "Keep the weights in memory; a warning where the system refuses");
  command.add_flag("--huge-pages", huge_pages,
                   "Ask for huge pages under the weights; a warning where the system refuses");
}

std::shared_ptr<catalog::Catalog> open_catalogue() {
  auto catalogue = catalog::Catalog::open_existing(catalog::Catalog::default_path());
  if (catalogue) return std::move(*catalogue);
  fmt::print(stderr, "fovea: warning: readings are not compared with the catalogue: {}\n",
             catalogue.error().message);
  return nullptr;
}

void TaskOptions::add_to(CLI::App& command, const std::string& description) {
  command.add_option("--task", name, description + "; fovea tasks list tells what there is")
      ->capture_default_str()
      ->type_name("NAME");
  add_paths_to(command);
}

void TaskOptions::add_paths_to(CLI::App& command) {
  command
      .add_option("--tasks", paths,
                  "More tasks: files, or folders of .toml files; they replace others of the same name")
      ->delimiter(':')
      ->allow_extra_args(false)
      ->type_name("DIR|FILE");
}

Result<std::shared_ptr<const tasks::TaskSet>> TaskOptions::load() const {
  const auto all = tasks::task_paths(paths);
  FOVEA_TRY(auto set, tasks::TaskSet::load(all));
  return std::make_shared<const tasks::TaskSet>(std::move(set));
}

engine::GeneratorOptions ModelOptions::generator_options() const {
  engine::GeneratorOptions options{.model = {}, .threads = threads};
  if (!dtype.empty()) options.model.precision = nn::parse_precision(dtype);
  if (!kv_cache.empty()) options.model.key_values = nn::parse_key_value_type(kv_cache);
  options.pinning = pin == "always"  ? Pinning::kAlways
                    : pin == "never" ? Pinning::kNever
                                     : Pinning::kWholeMachine;
  options.lock_memory = mlock;
  options.huge_pages = huge_pages;
  options.warn = [](const std::string& warning) { fmt::print(stderr, "fovea: warning: {}\n", warning); };
  return options;
}

}  // namespace fovea::cli
