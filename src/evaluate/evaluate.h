#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "evaluate/confusion.h"
#include "evaluate/count.h"
#include "evaluate/reliability.h"
#include "recognize/backend.h"
#include "tasks/task.h"

namespace fovea::evaluate {

/// One line of a manifest: a picture and what is true of it. A field that is null is not shown by the
/// picture; one that is left out is not compared.
struct Example {
  std::filesystem::path image;
  nlohmann::ordered_json truth;
};

/// Reads `DIR/manifest.jsonl`. Errors: kNotFound, kIo, kInvalidJson, kInvalidArgument, with the line number.
Result<std::vector<Example>> read_manifest(const std::filesystem::path& directory);

/// How a task's models worked together, where several were asked through a router.
struct Routing {
  std::string strategy = {};             ///< routing::strategy_name()
  std::string models = {};               ///< who answers when, in words
  std::optional<double> threshold = {};  ///< of a cascade: what is less sure goes on to the accurate model
  std::optional<double> escalated = {};  ///< share of the pictures that did
};

/// How one model did on a data directory.
struct Evaluation {
  std::string model;
  Count whole;  ///< every compared field right; a picture that failed counts as wrong
  std::vector<std::pair<std::string, Count>> fields;   ///< compared ones, in the task's order
  std::vector<bool> right;                             ///< whole record right, for each example in order
  std::size_t failed = 0;                              ///< pictures without an answer
  std::vector<std::pair<std::string, Scored>> scored;  ///< each compared field that had a confidence
  std::vector<double> sureness;  ///< least confidence of a field, for each example; 0 where none
  Confusion confusion;           ///< labels tasks only
  double p50_ms = 0, p95_ms = 0;
  std::optional<Routing> routing = {};

  /// How far the confidences of all fields are from the truth.
  [[nodiscard]] Reliability reliability() const;

  /// One entry of `results` in `fovea evaluate --json`.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

/// Called after every picture: how many are done, and the answer.
using Progress =
    std::function<void(std::size_t done, const Example& example, const recognize::Recognition& answer)>;

/// The value below which a share of the sorted values lies (nearest rank); they must not be empty.
double percentile(std::span<const double> sorted, double share);

/// Asks `backend` about every example. Errors: kInvalidArgument for no examples.
Result<Evaluation> evaluate(recognize::Backend& backend, const tasks::Task& task,
                            const std::vector<Example>& examples, const Progress& progress);

}  // namespace fovea::evaluate
