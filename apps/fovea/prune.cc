#include "compress/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "calibration_data.h"
#include "commands.h"
#include "common.h"
#include "progress.h"
#include "registry/locate.h"

namespace fovea::cli {
namespace {

struct PruneArguments {
  std::string source;
  std::string destination;
  double ratio = 0;
  std::string calibrate;  // empty: without
  TaskOptions task;
  std::size_t limit = 64;
};

void print_report(const std::string& destination, const compress::PruneReport& report) {
  fmt::print("{:<28} {:>12} {:>12} {:>8}\n", destination, "before", "after", "left");
  const auto row = [](const std::string& name, std::uintmax_t before, std::uintmax_t after) {
    fmt::print("{:<28} {:>12} {:>12} {:>7.1f}%\n", name, before, after,
               100.0 * static_cast<double>(after) / static_cast<double>(std::max<std::uintmax_t>(before, 1)));
  };
  for (const compress::PrunedGroup& group : report.groups) row("  " + group.name, group.before, group.after);
  row("parameters", report.parameters_before, report.parameters_after);
  row("multiply-accumulates", report.macs_before, report.macs_after);
  row("bytes of weights", report.bytes_before, report.bytes_after);
}

Result<void> run_prune(const PruneArguments& arguments) {
  FOVEA_TRY(const auto source, registry::locate_model(arguments.source));
  compress::PruneOptions options{.ratio = arguments.ratio};
  std::unique_ptr<Progress> progress;
  if (!arguments.calibrate.empty()) {
    FOVEA_TRY(options.calibration, calibration_data(arguments.calibrate, arguments.limit, arguments.task));
    progress = std::make_unique<Progress>(options.calibration->pictures.size());
    options.calibration->progress = [&](std::size_t done) { progress->show(done); };
  }
  FOVEA_TRY(const auto report, compress::prune_checkpoint(source, arguments.destination, options));
  progress.reset();
  print_report(arguments.destination, report);
  return {};
}

}  // namespace

void add_prune(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PruneArguments>();
  CLI::App* command = app.add_subcommand(
      "prune", "Write a checkpoint without its least important channels, neurons and heads");
  command->add_option("source", arguments->source, "A checkpoint directory, or the name of a model")
      ->required()
      ->type_name("NAME|DIR");
  command->add_option("destination", arguments->destination, "A new directory")->required()->type_name("DIR");
  command->add_option("--ratio", arguments->ratio, "The share of each layer's units that goes, such as 0.25")
      ->required()
      ->type_name("R")
      ->check(CLI::Range(0.0, 1.0).description(""));
  command
      ->add_option("--calibrate", arguments->calibrate,
                   "Measure importance with this folder's pictures (manifest.jsonl)")
      ->type_name("DIR");
  command->add_option("--limit", arguments->limit, "Calibrate with so many pictures")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20).description(""));
  arguments->task.add_to(*command, "What to ask a reader about them");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_prune(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
