#include "bench/bench.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "bench/checkpoint.h"
#include "bench/report.h"
#include "commands.h"
#include "common.h"
#include "progress.h"
#include "registry/locate.h"
#include "synth/checkpoint.h"

namespace fovea::cli {
namespace {

struct BenchArguments {
  ModelOptions model;
  std::string synthetic;
  bool keep = false;
  std::size_t concurrency = 0;
  bool quick = false;
  bool json = false;
};

/// A line on standard error that names the stage being measured; nothing where that is no terminal.
class StageLine {
 public:
  ~StageLine() { clear(); }
  void show(std::string_view stage, std::size_t number, std::size_t stages) const {
    if (!terminal_) return;
    fmt::print(stderr, "\r\033[K[{}/{}] {}", number, stages, stage);
    std::fflush(stderr);
  }
  void clear() const {
    if (!terminal_) return;
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
};

Result<bench::SyntheticCheckpoint> make_synthetic(const BenchArguments& arguments,
                                                  std::optional<nn::Precision> weights) {
  constexpr std::size_t kMegabyte = 1'000'000;
  std::unique_ptr<Progress> progress;
  return bench::SyntheticCheckpoint::make(arguments.synthetic, weights, arguments.keep,
                                          [&](std::size_t done, std::size_t total) {
                                            if (!progress) {
                                              progress = std::make_unique<Progress>(total / kMegabyte);
                                            }
                                            progress->show(done / kMegabyte);
                                          });
}

Result<void> run_bench(const BenchArguments& arguments) {
  bench::BenchOptions options;
  options.generator = arguments.model.generator_options();
  std::optional<bench::SyntheticCheckpoint> synthetic;
  if (!arguments.synthetic.empty()) {
    FOVEA_TRY(synthetic, make_synthetic(arguments, options.generator.model.precision));
    options.directory = synthetic->directory();
    options.model = arguments.synthetic;
    options.synthetic = true;
    if (options.generator.model.precision != nn::Precision::kF32) {
      options.generator.model.precision.reset();  // as it is stored
    }
  } else {
    FOVEA_TRY(options.directory, registry::locate_model(arguments.model.model));
    options.model = registry::model_name(options.directory);
  }
  options.concurrency = arguments.concurrency;
  options.quick = arguments.quick;
  const StageLine line;
  auto report = bench::run(options, [&](std::string_view stage, std::size_t number, std::size_t stages) {
    line.show(stage, number, stages);
  });
  line.clear();
  if (!report) return std::unexpected(std::move(report).error());
  fmt::print("{}", arguments.json ? bench::to_json(*report).dump(-1, ' ', false,
                                                                 nlohmann::json::error_handler_t::replace) +
                                        "\n"
                                  : bench::to_table(*report));
  return {};
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command = app.add_subcommand(
      "bench", "Measure the speed of a model, and how much of this machine's speed it uses");
  CLI::Option* synthetic =
      command
          ->add_option("--synthetic", arguments->synthetic,
                       fmt::format("Measure a checkpoint with random weights in the shape of: {}",
                                   fmt::join(synth::checkpoint_presets(), ", ")))
          ->type_name("SHAPE");
  arguments->model.model = kDefaultModel;
  arguments->model.add_to(*command, /*model_required=*/false);
  command->get_option("--model")->excludes(synthetic);
  command->add_flag("--keep", arguments->keep, "Keep the synthetic checkpoint for the next time")
      ->needs(synthetic);
  command
      ->add_option("--concurrency", arguments->concurrency,
                   "Also send so many requests at once to the engine, as a server does, and compare with one "
                   "at a time")
      ->type_name("N")
      ->check(CLI::Range(1, 256).description(""));
  command->add_flag("--quick", arguments->quick, "Every figure once instead of a median of several");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_bench(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
