#include "evaluate/evaluate.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "commands.h"
#include "evaluate/paired.h"
#include "evaluate/units.h"
#include "evaluate_arguments.h"
#include "progress.h"
#include "recognize/routed_service.h"
#include "recognize/service.h"
#include "registry/locate.h"
#include "routing/policy.h"
#include "tasks/task_set.h"

namespace fovea::cli {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

namespace {

void print_table(const evaluate::Evaluation& evaluation) {
  const auto [low, high] = evaluate::wilson_interval95(evaluation.whole);
  fmt::print("{}: {} pictures, {} without an answer\n", evaluation.model, evaluation.whole.compared,
             evaluation.failed);
  if (evaluation.routing) {
    fmt::print("  {:<20} {}: {}\n", "strategy", evaluation.routing->strategy, evaluation.routing->models);
    if (evaluation.routing->escalated)
      fmt::print("  {:<20} {:>7.2f} %\n", "escalated", 100 * *evaluation.routing->escalated);
  }
  fmt::print("  {:<20} {:>7.2f} %   95 % interval {:.2f} to {:.2f}\n", "whole record",
             100 * evaluation.whole.rate(), 100 * low, 100 * high);
  for (const auto& [name, count] : evaluation.fields) {
    const auto [field_low, field_high] = evaluate::wilson_interval95(count);
    fmt::print("  {:<20} {:>7.2f} %   95 % interval {:.2f} to {:.2f}\n", name, 100 * count.rate(),
               100 * field_low, 100 * field_high);
  }
  const auto time = [](double ms) { return evaluate::format_quantity(ms, evaluate::Dimension::kTime); };
  fmt::print("  {:<20} {:>10}  95th percentile {}\n", "median time", time(evaluation.p50_ms),
             time(evaluation.p95_ms));
}

/// The reliability diagram in text: for each bin what was said, and what came true.
void print_reliability(const evaluate::Reliability& reliability) {
  if (reliability.n == 0) return;
  fmt::print("  calibration error    {:>7.2f} %   95 % interval {:.2f} to {:.2f} ({} field confidences)\n",
             100 * reliability.error, 100 * reliability.interval95[0], 100 * reliability.interval95[1],
             reliability.n);
  for (const evaluate::ReliabilityBin& bin : reliability.bins) {
    if (bin.count == 0) continue;
    const auto filled = static_cast<std::size_t>(30 * bin.accuracy + 0.5);
    fmt::print("    said {:>5.1f} %  right {:>5.1f} %  {:<30}  {:>6}\n", 100 * bin.mean_confidence,
               100 * bin.accuracy, std::string(filled, '#'), bin.count);
  }
}

void print_comparison(const evaluate::PairedComparison& pair) {
  const auto [low, high] = pair.interval95();
  fmt::print("{} less {}: {:+.2f} points   95 % interval {:+.2f} to {:+.2f}\n", pair.a, pair.b,
             100 * pair.difference(), 100 * low, 100 * high);
  fmt::print("  right only in the first {}, only in the second {} (paired; Newcombe 1998, method 10)\n",
             pair.only_a, pair.only_b);
}

/// The model of a directory; for kCascade the task's fast and accurate models behind a router.
Result<std::unique_ptr<recognize::Backend>> open_model(
    const std::filesystem::path& directory, const tasks::Task& task,
    const std::shared_ptr<const tasks::TaskSet>& known_tasks, const engine::GeneratorOptions& options) {
  if (directory != kCascade) {
    return recognize::Service::open({.model = directory, .generator = options, .tasks = known_tasks});
  }
  recognize::RoutedServiceOptions routed{.models = {}};
  for (const std::string& name : {task.models.accurate, task.models.fast}) {
    if (name.empty())
      return fail(ErrorCode::kUsage, fmt::format("the task {} names no pair of models", task.name));
    FOVEA_TRY(auto folder, registry::locate_model(name));
    routed.models.push_back({.model = std::move(folder), .generator = options, .tasks = known_tasks});
  }
  return recognize::RoutedService::open(std::move(routed));
}

/// The strategy that answered `pictures` pictures.
evaluate::Routing routing_of(const recognize::RoutedService& service, const tasks::Task& task,
                             std::size_t pictures) {
  const routing::TaskPolicy& policy = *service.task_policy(task.name);
  evaluate::Routing routing{.strategy = routing::strategy_name(policy.strategy), .models = policy.accurate};
  if (policy.strategy != routing::Strategy::kCascade) {
    routing.models += fmt::format(" alone; no threshold is stored for {} and these versions", policy.fast);
    return routing;
  }
  const auto escalated = service.stats()["router"]["tasks"][task.name]["escalated"].get<double>() /
                         static_cast<double>(pictures);
  routing.models = fmt::format("{} where it is at least {:.4g} sure, else {}", policy.fast, policy.threshold,
                               policy.accurate);
  routing.threshold = policy.threshold;
  routing.escalated = escalated;
  return routing;
}

Result<int> run_evaluate(const EvaluateArguments& arguments) {
  if (!arguments.one_variant.empty()) return run_one_variant(arguments);
  if (!arguments.report.empty()) return run_matrix(arguments);
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  const auto models = split(arguments.model.model.empty() ? default_model(*task) : arguments.model.model);
  if (models.empty()) return fail(ErrorCode::kUsage, "--model names no model");
  const auto options = arguments.model.generator_options();
  FOVEA_TRY(const auto examples, evaluate::read_manifest(arguments.data));
  std::vector<std::filesystem::path> directories;  // all are found before the first is measured
  for (const std::string& name : models) {
    if (name == kCascade) {
      directories.emplace_back(kCascade);
      continue;
    }
    FOVEA_TRY(directories.emplace_back(), registry::locate_model(name));
  }
  std::vector<evaluate::Evaluation> evaluations;
  bool any_failed = false;
  for (const std::filesystem::path& directory : directories) {
    FOVEA_TRY(const auto service, open_model(directory, *task, known_tasks, options));
    Progress progress(examples.size());
    const auto after_each = [&](std::size_t done, const evaluate::Example&,
                                const recognize::Recognition& answer) {
      if (!answer.ok()) {
        progress.clear();
        report_failure(answer.file, *answer.error);
      }
      progress.show(done);
    };
    FOVEA_TRY(auto evaluation, evaluate::evaluate(*service, *task, examples, after_each));
    progress.clear();
    if (const auto* routed = dynamic_cast<const recognize::RoutedService*>(service.get())) {
      evaluation.model = kCascade;
      evaluation.routing = routing_of(*routed, *task, evaluation.whole.compared);
    }
    any_failed = any_failed || evaluation.failed > 0;
    if (!arguments.json) {
      print_table(evaluation);
      print_reliability(evaluation.reliability());
    }
    if (!arguments.diagram.empty()) {
      // One file for each model: the name stands before the ending.
      std::filesystem::path path = arguments.diagram;
      if (directories.size() > 1) {
        path.replace_filename(
            fmt::format("{}-{}{}", path.stem().string(), evaluation.model, path.extension().string()));
      }
      FOVEA_CHECK_OK(write_file(path, evaluation.reliability().to_svg(evaluation.model)));
    }
    evaluations.push_back(std::move(evaluation));
  }
  std::vector<evaluate::PairedComparison> pairs;
  for (std::size_t i = 0; i < evaluations.size(); ++i) {
    for (std::size_t j = i + 1; j < evaluations.size(); ++j) {
      pairs.push_back(evaluate::compare_paired(evaluations[i], evaluations[j]));
      if (!arguments.json) print_comparison(pairs.back());
    }
  }
  if (arguments.json) {
    auto json = nlohmann::ordered_json{{"results", nlohmann::ordered_json::array()}};
    for (const auto& evaluation : evaluations) json["results"].push_back(evaluation.to_json());
    for (const auto& pair : pairs) json["paired"].push_back(pair.to_json());
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return any_failed ? 1 : 0;
}

void add_report_options(CLI::App& command, EvaluateArguments& arguments) {
  CLI::Option* report =
      command
          .add_option(
              "--report", arguments.report,
              "Measure each variant in a process of its own (memory, cold and warm latency, "
              "throughput and more) and write report.json, .md and .html into this folder; run again, "
              "it goes on where it was interrupted (docs/evaluate-and-select.md)")
          ->type_name("DIR");
  command
      .add_option("--variants", arguments.variants,
                  "With --report: every model in these types: f32,bf16,int8,int4 (default: as stored; one "
                  "model alone: MODEL:int8)")
      ->type_name("TYPES")
      ->needs(report);
  command
      .add_option(
          "--calibrate", arguments.calibrate,
          "With --report: make int8 and int4 checkpoints with this folder's pictures (manifest.jsonl)")
      ->type_name("DIR")
      ->needs(report);
  command
      .add_option("--memory-limit", arguments.memory_limit,
                  "With --report: memory that requests at a time have to fit into")
      ->capture_default_str()
      ->type_name("SIZE")
      ->needs(report);
  command
      .add_option("--cold-runs", arguments.cold_runs,
                  "With --report: processes that are started for the first answer's time")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 100).description(""))
      ->needs(report);
  command
      .add_option("--load-seconds", arguments.load_seconds,
                  "With --report: how long each number of requests at a time is kept up, at least")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(0.0, 600.0).description(""));
  command.add_option("--one-variant", arguments.one_variant)
      ->group("")  // a child of --report
      ->check(CLI::IsMember({"cold", "full"}).description(""));
}

}  // namespace

void add_evaluate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = app.add_subcommand("evaluate", "Measure models on pictures whose truth is known");
  arguments->task.add_to(*command);
  arguments->model.add_to(*command, /*model_required=*/false);
  command->add_option("--data", arguments->data, "A folder with manifest.jsonl and its pictures")
      ->required()
      ->type_name("DIR");
  command->add_option("--reliability", arguments->diagram, "Draw confidence against truth into this SVG file")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  add_report_options(*command, *arguments);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_evaluate(*arguments);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace fovea::cli
