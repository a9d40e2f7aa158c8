#include <fmt/format.h>

#include <memory>
#include <string>
#include <tuple>

#include "commands.h"
#include "common.h"
#include "edge/export.h"
#include "registry/locate.h"

namespace fovea::cli {
namespace {

constexpr std::size_t kKilobyte = 1024;

struct ExportArguments {
  std::string model;
  std::string destination;
  std::string prefix = edge::ExportOptions{}.prefix;
  std::size_t flash_budget = edge::Budget{}.flash_bytes / kKilobyte;
  std::size_t ram_budget = edge::Budget{}.ram_bytes / kKilobyte;
  bool json = false;
};

Result<void> run_export(const ExportArguments& arguments) {
  FOVEA_TRY(const auto model, registry::locate_model(arguments.model));
  FOVEA_TRY(const auto report,
            edge::export_edge(model, arguments.destination,
                              {.prefix = arguments.prefix,
                               .budget = {.flash_bytes = arguments.flash_budget * kKilobyte,
                                          .ram_bytes = arguments.ram_budget * kKilobyte}}));
  if (arguments.json) {
    fmt::print("{}\n", report.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", edge::report_markdown(report));
  }
  return {};
}

}  // namespace

void add_export_edge(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command = app.add_subcommand(
      "export-edge", "Write a micro CNN, float or quantised, as C99 for a microcontroller");
  command->add_option("model", arguments->model, "A checkpoint directory, or the name of a model")
      ->required()
      ->type_name("NAME|DIR");
  command->add_option("destination", arguments->destination, "The directory to write the sources to")
      ->required()
      ->type_name("DIR");
  command->add_option("--prefix", arguments->prefix, "What files and names begin with")
      ->capture_default_str()
      ->type_name("NAME");
  for (const auto& [name, value, text] :
       {std::tuple{"--flash-budget", &arguments->flash_budget,
                   "Fail above so many KB (1,024 bytes) of flash"},
        std::tuple{"--ram-budget", &arguments->ram_budget, "Fail above so many KB of RAM"}}) {
    command->add_option(name, *value, text)
        ->capture_default_str()
        ->type_name("KB")
        ->check(CLI::Range(1, 1 << 20).description(""));
  }
  command->add_flag("--json", arguments->json, "Print the report as one JSON object");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_export(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
