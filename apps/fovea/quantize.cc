#include "compress/quantize.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <tuple>

#include "commands.h"
#include "common.h"
#include "registry/locate.h"

namespace fovea::cli {
namespace {

struct QuantizeArguments {
  std::string source;
  std::string destination;
  std::string weights = "int8";
  std::string vision_weights = "int8";
};

Result<void> run_quantize(const QuantizeArguments& arguments) {
  FOVEA_TRY(const auto source, registry::locate_model(arguments.source));
  FOVEA_TRY(const auto report, compress::quantize_checkpoint(
                                   source, arguments.destination,
                                   {.weights = *nn::parse_precision(arguments.weights),
                                    .vision_weights = *nn::parse_precision(arguments.vision_weights)}));
  constexpr double kMegabyte = 1e6;
  fmt::print("{}: {} matrices, {:.1f} MB of weights (before: {:.1f} MB)\n", arguments.destination,
             report.matrices, static_cast<double>(report.bytes) / kMegabyte,
             static_cast<double>(report.source_bytes) / kMegabyte);
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
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_quantize(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
