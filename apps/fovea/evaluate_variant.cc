#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>

#include "base/clock.h"
#include "base/file.h"
#include "bench/memory.h"
#include "child_process.h"
#include "edge/plan.h"
#include "edge/report.h"
#include "evaluate/checkpoint_figures.h"
#include "evaluate/load.h"
#include "evaluate/units.h"
#include "evaluate/variant.h"
#include "evaluate_arguments.h"
#include "image/decode.h"
#include "progress.h"
#include "recognize/service.h"
#include "registry/locate.h"

namespace fovea::cli {
namespace {

constexpr std::array<std::size_t, 4> kLevels{1, 2, 4, 8};

/// No part of a picture is reused, so that pictures that come again cost what new ones do.
recognize::ServiceOptions service_options(const EvaluateArguments& arguments,
                                          const std::filesystem::path& folder,
                                          std::shared_ptr<const tasks::TaskSet> known_tasks) {
  recognize::ServiceOptions options{
      .model = folder, .generator = arguments.model.generator_options(), .tasks = std::move(known_tasks)};
  options.engine.scheduler.embedding_bytes = 0;
  options.engine.scheduler.prefix_entries = 0;
  return options;
}

Result<void> ask_first(recognize::Backend& service, const tasks::Task& task,
                       const evaluate::Example& example) {
  FOVEA_TRY(const std::string bytes, read_file(example.image, image::kMaxFileBytes));
  recognize::Request request{.request_id = "",
                             .file = example.image.string(),
                             .bytes = std::as_bytes(std::span(bytes)),
                             .task = task.name};
  const auto answer = recognize::recognize_now(service, std::move(request));
  if (!answer.ok()) return std::unexpected(*answer.error);
  return {};
}

std::uint64_t peak_memory_bytes() {
  constexpr double kMegabyte = 1e6;
  return static_cast<std::uint64_t>(bench::peak_memory_mb().value_or(0) * kMegabyte);
}

Result<evaluate::EdgeFit> edge_fit(const std::filesystem::path& folder,
                                   const evaluate::CheckpointFigures& figures) {
  const edge::Budget budget;
  evaluate::EdgeFit fit;
  if (!figures.is_micro_cnn) {
    fit.why = fmt::format(
        "a language model: {} of weights, {} of flash",
        evaluate::format_quantity(static_cast<double>(figures.file_bytes), evaluate::Dimension::kBytes),
        evaluate::format_quantity(static_cast<double>(budget.flash_bytes), evaluate::Dimension::kBytes));
    return fit;
  }
  FOVEA_TRY(const auto model, models::micro_cnn::Model::load(folder));
  const edge::Plan plan = edge::make_plan(*model);
  fit.why = edge::over_budget(plan, budget);
  fit.fits = fit.why.empty();
  fit.flash_bytes = plan.flash_bytes();
  fit.ram_bytes = plan.ram_bytes();
  return fit;
}

/// Everything but the cold answers, which take a process each, and what the parent knows.
Result<evaluate::Variant> measure(const EvaluateArguments& arguments, recognize::Backend& service,
                                  const std::filesystem::path& folder, const tasks::Task& task,
                                  const std::vector<evaluate::Example>& examples) {
  evaluate::Variant variant;
  variant.version = service.models().front().version;
  FOVEA_TRY(const auto figures, evaluate::checkpoint_figures(folder));
  variant.file_bytes = figures.file_bytes;
  variant.parameters = figures.parameters;

  std::vector<double> latencies;
  Progress progress(examples.size());
  FOVEA_TRY(auto evaluation, evaluate::evaluate(service, task, examples,
                                                [&](std::size_t done, const evaluate::Example&,
                                                    const recognize::Recognition& answer) {
                                                  if (answer.ok()) {
                                                    latencies.push_back(answer.timings.total_ms);
                                                  } else {
                                                    progress.clear();
                                                    report_failure(answer.file, *answer.error);
                                                  }
                                                  progress.show(done);
                                                }));
  progress.clear();
  variant.memory_bytes = peak_memory_bytes();
  variant.warm = evaluate::Latency::of(std::move(latencies));
  variant.whole = evaluation.whole;
  variant.failed = evaluation.failed;
  variant.reliability = evaluation.reliability();
  variant.fields = std::move(evaluation.fields);
  variant.confusion = std::move(evaluation.confusion);
  variant.right = std::move(evaluation.right);

  for (const std::size_t parallel : kLevels) {
    const bool own_peak = bench::reset_peak_memory();
    FOVEA_TRY(const auto load,
              evaluate::measure_load(service, task.name, examples, parallel, arguments.load_seconds));
    variant.levels.push_back({.parallel = parallel,
                              .per_second = load.per_second(),
                              .peak_bytes = own_peak ? peak_memory_bytes() : 0});
  }
  FOVEA_TRY(variant.edge, edge_fit(folder, figures));
  return variant;
}

}  // namespace

Result<int> run_one_variant(const EvaluateArguments& arguments) {
  const Stopwatch since_start;
  end_with_parent();
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  FOVEA_TRY(const auto examples, evaluate::read_manifest(arguments.data));
  if (examples.empty()) return fail(ErrorCode::kInvalidArgument, "the manifest names no pictures");
  const std::filesystem::path folder = arguments.model.model;
  FOVEA_TRY(const auto service, recognize::Service::open(service_options(arguments, folder, known_tasks)));
  const auto first = ask_first(*service, *task, examples.front());
  if (arguments.one_variant == "cold") {
    FOVEA_CHECK_OK(first);
    fmt::print("{}\n", nlohmann::ordered_json{{"first_answer_ms", since_start.elapsed_ms()}}.dump());
    return 0;
  }
  FOVEA_TRY(const auto variant, measure(arguments, *service, folder, *task, examples));
  fmt::print("{}\n", variant.to_json().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return 0;
}

}  // namespace fovea::cli
