#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "common.h"
#include "evaluate/evaluate.h"
#include "progress.h"
#include "recognize/calibration.h"
#include "recognize/service.h"
#include "registry/locate.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

// With fewer answers a curve says more about chance than about the model.
constexpr std::size_t kFewestAnswers = 50;

struct CalibrateArguments {
  ModelOptions model;
  TaskOptions task;
  std::vector<std::string> data;
};

Result<void> run_calibrate(const CalibrateArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  FOVEA_TRY(
      const auto directory,
      registry::locate_model(arguments.model.model.empty() ? default_model(*task) : arguments.model.model));
  std::vector<evaluate::Example> examples;
  for (const std::string& folder : arguments.data) {
    FOVEA_TRY(auto more, evaluate::read_manifest(folder));
    examples.insert(examples.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  }
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
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_calibrate(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
