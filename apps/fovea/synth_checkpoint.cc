#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>

#include "commands.h"
#include "common.h"
#include "progress.h"
#include "synth/checkpoint.h"

namespace fovea::cli {
namespace {

struct SynthArguments {
  synth::CheckpointOptions options;
  std::string directory;
};

Result<void> run_synth(const SynthArguments& arguments) {
  constexpr std::size_t kMegabyte = 1'000'000;
  std::unique_ptr<Progress> progress;
  const auto show = [&](std::size_t done, std::size_t total) {
    if (!progress) progress = std::make_unique<Progress>(total / kMegabyte);
    progress->show(done / kMegabyte);
  };
  return synth::write_checkpoint(arguments.options, arguments.directory, show);
}

}  // namespace

void add_synth_checkpoint(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SynthArguments>();
  CLI::App* command = app.add_subcommand(
      "synth-checkpoint", "Write a checkpoint of a real shape with random weights, for benchmarks");
  command
      ->add_option("--preset", arguments->options.preset,
                   fmt::format("{}", fmt::join(synth::checkpoint_presets(), ", ")))
      ->required();
  command->add_flag("--outliers", arguments->options.outliers,
                    "Plant channels with large activations, as trained checkpoints have");
  command->add_option("--seed", arguments->options.seed, "Other seeds give other weights")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::NonNegativeNumber.description(""));
  command->add_option("directory", arguments->directory, "A new or empty directory")
      ->required()
      ->type_name("DIR");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_synth(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
