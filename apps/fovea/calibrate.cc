#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "common.h"
#include "evaluate/evaluate.h"
#include "progress.h"
#include "recognize/calibration.h"
#include "recognize/cascade_threshold.h"
#include "recognize/service.h"
#include "registry/locate.h"
#include "routing/threshold.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

// With fewer answers a curve says more about chance than about the model.
constexpr std::size_t kFewestAnswers = 50;

struct CalibrateArguments {
  ModelOptions model;
  TaskOptions task;
  std::vector<std::string> data;
  std::string accurate;
  std::optional<double> target_accuracy;
  std::optional<double> budget;
};

Result<evaluate::Evaluation> measure(const std::filesystem::path& directory,
                                     const CalibrateArguments& arguments,
                                     const std::shared_ptr<const tasks::TaskSet>& known_tasks,
                                     const tasks::Task& task,
                                     const std::vector<evaluate::Example>& examples) {
  FOVEA_TRY(const auto service, recognize::Service::open({.model = directory,
                                                          .generator = arguments.model.generator_options(),
                                                          .tasks = known_tasks}));
  Progress progress(examples.size());
  auto evaluation = evaluate::evaluate(*service, task, examples,
                                       [&](std::size_t done, const evaluate::Example&,
                                           const recognize::Recognition&) { progress.show(done); });
  progress.clear();
  return evaluation;
}

/// Chooses where a cascade of two models escalates, and stores it with the fast one.
Result<void> choose_threshold(const CalibrateArguments& arguments,
                              const std::shared_ptr<const tasks::TaskSet>& known_tasks,
                              const tasks::Task& task, const std::vector<evaluate::Example>& examples) {
  const std::string fast = arguments.model.model.empty() ? task.models.fast : arguments.model.model;
  const std::string accurate = arguments.accurate.empty() ? task.models.accurate : arguments.accurate;
  FOVEA_TRY(const auto fast_folder, registry::locate_model(fast));
  FOVEA_TRY(const auto accurate_folder, registry::locate_model(accurate));
  FOVEA_TRY(const std::string fast_version, registry::model_version(fast_folder));
  FOVEA_TRY(const std::string accurate_version, registry::model_version(accurate_folder));
  FOVEA_TRY(const auto of_fast, measure(fast_folder, arguments, known_tasks, task, examples));
  FOVEA_TRY(const auto of_accurate, measure(accurate_folder, arguments, known_tasks, task, examples));
  std::vector<routing::CascadeExample> pairs;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    pairs.push_back({.confidence = of_fast.sureness[i],
                     .fast_right = of_fast.right[i],
                     .accurate_right = of_accurate.right[i]});
  }
  const double relative_cost = of_accurate.p50_ms > 0 ? of_fast.p50_ms / of_accurate.p50_ms : 0;
  FOVEA_TRY(const auto chooser, routing::ThresholdChooser::make(std::move(pairs), relative_cost));
  FOVEA_TRY(const auto choice, arguments.target_accuracy ? chooser.for_accuracy(*arguments.target_accuracy)
                                                         : chooser.for_budget(*arguments.budget));
  FOVEA_CHECK_OK(recognize::store_threshold(fast_folder,
                                            {.task = task.name,
                                             .task_digest = task.digest(),
                                             .fast_version = fast_version,
                                             .accurate = accurate,
                                             .accurate_version = accurate_version},
                                            choice.chosen.threshold,
                                            {{"pictures", choice.examples},
                                             {"relative_cost", relative_cost},
                                             {"expected_accuracy", choice.expected_accuracy},
                                             {"interval95", choice.interval95},
                                             {"expected_escalated", choice.expected_escalated}}));
  fmt::print(
      "{} alone {:.1f} %, {} alone {:.1f} % of {} pictures; a call of {} takes {:.2f} of one of {}\n"
      "threshold {:.4f}: {:.1f} % go on to {}, {:.1f} % right expected ({:.1f} to {:.1f}), {:.2f} calls of "
      "it a picture\n"
      "stored in {}\n",
      fast, 100 * choice.fast_accuracy, accurate, 100 * choice.accurate_accuracy, choice.examples, fast,
      relative_cost, accurate, choice.chosen.threshold, 100 * choice.expected_escalated, accurate,
      100 * choice.expected_accuracy, 100 * choice.interval95[0], 100 * choice.interval95[1],
      relative_cost + choice.expected_escalated, (fast_folder / "cascade.json").string());
  return {};
}

Result<void> run_calibrate(const CalibrateArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  std::vector<evaluate::Example> examples;
  for (const std::string& folder : arguments.data) {
    FOVEA_TRY(auto more, evaluate::read_manifest(folder));
    examples.insert(examples.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  }
  if (arguments.target_accuracy || arguments.budget) {
    return choose_threshold(arguments, known_tasks, *task, examples);
  }
  FOVEA_TRY(
      const auto directory,
      registry::locate_model(arguments.model.model.empty() ? default_model(*task) : arguments.model.model));
  FOVEA_TRY(const auto service, recognize::Service::open({.model = directory,
                                                          .generator = arguments.model.generator_options(),
                                                          .tasks = known_tasks,
                                                          .calibrated = false}));
  Progress progress(examples.size());
  FOVEA_TRY(const auto evaluation,
            evaluate::evaluate(*service, *task, examples,
                               [&](std::size_t done, const evaluate::Example&,
                                   const recognize::Recognition&) { progress.show(done); }));
  progress.clear();
  std::map<std::string, std::vector<recognize::Judged>> answers;
  for (const auto& [field, scored] : evaluation.scored) {
    answers[field].push_back({.logprob = std::log(scored.confidence), .right = scored.right});
  }
  recognize::Calibration calibration;
  for (const auto& [field, judged] : answers) {
    if (judged.size() < kFewestAnswers) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} answers for {} are too few to calibrate it: expected {} or more",
                              judged.size(), field, kFewestAnswers));
    }
    const recognize::Curve curve = recognize::fit_curve(judged);
    calibration.set(field, curve);
    fmt::print("{:<20} {} answers, slope {:.3f}, offset {:+.3f}\n", field, judged.size(), curve.slope,
               curve.offset);
  }
  std::vector<evaluate::Scored> after;
  for (const auto& [field, scored] : evaluation.scored) {
    after.push_back(
        {.confidence = calibration.probability(field, std::log(scored.confidence)), .right = scored.right});
  }
  FOVEA_CHECK_OK(recognize::store_calibration(directory, task->name, task->digest(),
                                              service->models().front().version, calibration,
                                              {{"pictures", examples.size()}, {"answers", after.size()}}));
  fmt::print(
      "calibration error on these pictures: {:.2f} % before, {:.2f} % after; measure it on others with "
      "fovea evaluate\nstored in {}\n",
      100 * evaluation.reliability().error, 100 * evaluate::reliability(after).error,
      (directory / "calibration.json").string());
  return {};
}

}  // namespace

void add_calibrate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CalibrateArguments>();
  CLI::App* command = app.add_subcommand(
      "calibrate", "Fit a model's confidences to how often it is right, and store that with the model");
  arguments->task.add_to(*command);
  arguments->model.add_to(*command, /*model_required=*/false);
  command->add_option("--data", arguments->data, "Folders with manifest.jsonl and pictures; several add up")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--accurate", arguments->accurate,
                   "The model that a cascade goes on to (default: the task's own)")
      ->type_name("NAME|DIR");
  CLI::Option* target =
      command
          ->add_option("--target-accuracy", arguments->target_accuracy,
                       "Choose the cheapest cascade that is right in this share of cases, instead")
          ->type_name("SHARE")
          ->check(CLI::Range(0.0, 1.0).description(""));
  command
      ->add_option("--budget", arguments->budget,
                   "Choose the most accurate cascade that costs at most so many calls of the accurate model "
                   "a picture, "
                   "instead")
      ->type_name("CALLS")
      ->check(CLI::Range(0.0, 2.0).description(""))
      ->excludes(target);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_calibrate(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
