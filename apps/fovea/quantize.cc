#include "compress/quantize.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <tuple>

#include "calibration_data.h"
#include "commands.h"
#include "common.h"
#include "progress.h"
#include "registry/locate.h"

namespace fovea::cli {
namespace {

struct QuantizeArguments {
  std::string source;
  std::string destination;
  std::string weights = "int8";
  std::string vision_weights = "int8";
  std::string calibrate;  // empty: without
  TaskOptions task;
  std::size_t limit = 64;
};

Result<void> run_quantize(const QuantizeArguments& arguments) {
  FOVEA_TRY(const auto source, registry::locate_model(arguments.source));
  compress::QuantizeOptions options{.weights = *nn::parse_precision(arguments.weights),
                                    .vision_weights = *nn::parse_precision(arguments.vision_weights)};
  std::unique_ptr<Progress> progress;
  if (!arguments.calibrate.empty()) {
    FOVEA_TRY(options.calibration, calibration_data(arguments.calibrate, arguments.limit, arguments.task));
    progress = std::make_unique<Progress>(options.calibration->pictures.size());
    options.calibration->progress = [&](std::size_t done) { progress->show(done); };
  }
  FOVEA_TRY(const auto report, compress::quantize_checkpoint(source, arguments.destination, options));
  progress.reset();
  // Networks for microcontrollers are a few kilobytes.
  constexpr double kMegabyte = 1e6;
  const bool small = static_cast<double>(report.source_bytes) < kMegabyte;
  const double unit = small ? 1e3 : kMegabyte;
  fmt::print("{}: {} matrices, {:.1f} {} of weights (before: {:.1f} {})\n", arguments.destination,
             report.matrices, static_cast<double>(report.bytes) / unit, small ? "kB" : "MB",
             static_cast<double>(report.source_bytes) / unit, small ? "kB" : "MB");
  return {};
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<QuantizeArguments>();
  CLI::App* command = app.add_subcommand("quantize", "Write a checkpoint with its weights in int8 or int4");
  command->add_option("source", arguments->source, "A checkpoint directory, or the name of a model")
      ->required()
      ->type_name("NAME|DIR");
  command->add_option("destination", arguments->destination, "A new directory")->required()->type_name("DIR");
  for (const auto& [name, value, text] :
       {std::tuple{"--weights", &arguments->weights, "Text model and head: int8 or int4"},
        std::tuple{"--vision-weights", &arguments->vision_weights,
                   "Vision tower and connector: int8 or int4"}}) {
    command->add_option(name, *value, text)
        ->capture_default_str()
        ->type_name("TYPE")
        ->check(CLI::IsMember({"int8", "int4"}).description(""));
  }
  command
      ->add_option(
          "--calibrate", arguments->calibrate,
          "Round int4 weights for what this folder's pictures (manifest.jsonl) put into them; a micro "
          "CNN always needs some")
      ->type_name("DIR");
  command->add_option("--limit", arguments->limit, "Calibrate with so many pictures")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20).description(""));
  arguments->task.add_to(*command, "What to ask about them");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_quantize(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
