#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::recognize {

/// How a model's own probability of an answer becomes how often such answers are right: a logistic curve over
/// the log-odds (Platt 1999). Fitted on pictures whose truth is known, for one task and one model.
struct Curve {
  double slope = 1;
  double offset = 0;

  /// `logprob`: natural logarithm of the model's probability, at most 0. Rises with it.
  [[nodiscard]] double operator()(double logprob) const;
};

/// One answer with its truth.
struct Judged {
  double logprob = 0;
  bool right = false;
};

/// The curve under which the answers are most likely (Newton's method; targets smoothed as Platt has it, so
/// that answers that were all right leave a doubt). Needs at least one answer.
Curve fit_curve(std::span<const Judged> answers);

/// The curves of one model for one task.
class Calibration {
 public:
  /// The curve that stands for the whole answer, among the fields' names.
  static constexpr const char* kWhole = "*";

  void set(const std::string& field, const Curve& curve) { curves_[field] = curve; }
  /// The probability that this field is right; as the model has it where no curve was fitted.
  [[nodiscard]] double probability(const std::string& field, double logprob) const;
  [[nodiscard]] bool empty() const { return curves_.empty(); }

  [[nodiscard]] nlohmann::ordered_json to_json() const;
  static Result<Calibration> from_json(const nlohmann::json& json, const std::string& where);

 private:
  std::map<std::string, Curve> curves_;
};

/// Reads what `fovea calibrate` stored with a model for a task, from `DIR/calibration.json`. What was fitted
/// for another version of the model's weights or of the task does not count: an empty one then, as where
/// nothing was stored. Errors: kInvalidModel, kIo: the file cannot be read as what it should be.
Result<Calibration> load_calibration(const std::filesystem::path& directory, const std::string& task,
                                     const std::string& task_digest, const std::string& weights);

/// Stores it beside those of other tasks. `made_from` says on what it was fitted, for people.
Result<void> store_calibration(const std::filesystem::path& directory, const std::string& task,
                               const std::string& task_digest, const std::string& weights,
                               const Calibration& calibration, const nlohmann::ordered_json& made_from);

}  // namespace fovea::recognize
