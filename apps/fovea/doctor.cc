#include "doctor/doctor.h"

#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "common.h"

namespace fovea::cli {
namespace {

struct DoctorArguments {
  bool quick = false;
  bool json = false;
};

int run_doctor(const DoctorArguments& arguments) {
  doctor::Options options;
  options.model = kDefaultModel;
  options.measure = !arguments.quick;
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
  command->add_flag("--quick", arguments->quick, "Measure nothing");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments, &action] { action = [arguments] { return run_doctor(*arguments); }; });
}

}  // namespace fovea::cli
