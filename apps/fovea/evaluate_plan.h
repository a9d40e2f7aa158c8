#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "evaluate/matrix.h"
#include "evaluate_arguments.h"

namespace fovea::cli {

/// A variant that is to be measured.
struct PlannedVariant {
  std::string model;             ///< the name of the model it is one of
  std::string dtype;             ///< of the weights it computes with
  std::filesystem::path source;  ///< the checkpoint that was named
  bool convert = false;          ///< its weights are converted while it is loaded (f32, bf16)
  bool quantise = false;         ///< an int8 or int4 checkpoint of it is made first

  [[nodiscard]] std::string name() const { return model + ":" + dtype; }
};

struct EvaluationPlan {
  std::vector<PlannedVariant> variants;
  std::vector<evaluate::Skipped> skipped;  ///< of `--variants`, what a model cannot be
};

/// Every model of `--model` (NAME, DIR, NAME:TYPE) in every type of `--variants`, `--dtype`, or as stored.
/// Errors: kNotFound; kUsage (a type a model cannot be that was asked for by name, two of one name, a micro
/// CNN that has to be quantised without `--calibrate`); what a checkpoint that cannot be read gives.
Result<EvaluationPlan> plan_evaluation(const EvaluateArguments& arguments,
                                       const std::vector<std::string>& models);

}  // namespace fovea::cli
