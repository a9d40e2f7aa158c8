#include "doctor/doctor.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "commands.h"
#include "common.h"
#include "config/config.h"
#include "serve_parts.h"

namespace fovea::cli {
namespace {

struct DoctorArguments {
  std::string config_file;
  std::string redis;
  std::string database;
  bool quick = false;
  bool json = false;
};

/// The services that `fovea serve` would use: options before the file, the file before the defaults.
Result<doctor::Services> services(const DoctorArguments& arguments) {
  FOVEA_TRY(config::Config config, config_of(arguments.config_file));
  if (!arguments.redis.empty()) config.cache.redis_url = arguments.redis;
  if (!arguments.database.empty()) config.cache.database_url = arguments.database;
  if (!config.cache.enabled) return doctor::Services{};
  FOVEA_TRY(const cache::TieredCacheOptions options, cache_options(config.cache));
  return doctor::Services{.redis = options.redis, .database = options.database};
}

int run_doctor(const DoctorArguments& arguments) {
  doctor::Options options;
  options.model = kDefaultModel;
  options.measure = !arguments.quick;
  auto wanted = services(arguments);
  if (!wanted) return report(wanted.error());
  options.services = std::move(*wanted);
  const doctor::Examination examination = doctor::examine(options);
  fmt::print(
      "{}",
      arguments.json
          ? doctor::to_json(examination).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
          : doctor::to_table(examination));
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command =
      app.add_subcommand("doctor", "Say what this machine offers, what is missing, and what to do about it");
  command
      ->add_option("--config", arguments->config_file,
                   "Look for the services that this file of `fovea serve` names")
      ->type_name("FILE");
  command->add_option("--redis", arguments->redis,
                      "redis://[user[:password]@]host[:port][/db] or unix:///path[?db=1]");
  command->add_option("--database", arguments->database,
                      "A SQLite file, postgresql://…, or none (default: answers.db in the state folder)");
  command->add_flag("--quick", arguments->quick, "Measure nothing");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments, &action] { action = [arguments] { return run_doctor(*arguments); }; });
}

}  // namespace fovea::cli
