#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common.h"
#include "evaluate/evaluate.h"
#include "recognize/backend.h"

namespace fovea::cli {

/// The name that --model takes for a task's default strategy over its own models.
inline constexpr const char* kCascade = "cascade";

/// What `fovea evaluate` was asked.
struct EvaluateArguments {
  ModelOptions model;
  TaskOptions task;
  std::string data;
  std::string diagram;
  bool json = false;

  std::string report;    ///< a folder; empty: measured in this process, without one
  std::string variants;  ///< types of weights, commas between
  std::string memory_limit = "2GB";
  std::string calibrate;  ///< a data folder that int8 and int4 checkpoints are made with
  std::size_t cold_runs = 5;
  double load_seconds = 2;
  std::string one_variant;  ///< set in a child: "cold" or "full"
};

/// The parts of a list with commas; empty ones are left out.
std::vector<std::string> split(const std::string& list);

/// Measures every variant in a child and writes the report's files. Gives the exit code.
Result<int> run_matrix(const EvaluateArguments& arguments);

/// The child: measures one model, or only its first answer, and prints one JSON object.
Result<int> run_one_variant(const EvaluateArguments& arguments);

}  // namespace fovea::cli
