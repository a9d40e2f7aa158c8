#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cache/options.h"
#include "kernels/peaks.h"

namespace fovea::doctor {

/// One line: what was looked at, what was found, and what to do where that is not good.
struct Finding {
  std::string name;
  std::string value;
  std::string advice;  ///< empty: all is well

  [[nodiscard]] bool good() const { return advice.empty(); }
};

/// Where answers are kept outside the process.
struct Services {
  std::optional<cache::RedisOptions> redis;
  cache::DatabaseOptions database;
  std::chrono::milliseconds patience{2000};  ///< how long each may take to answer
};

struct Options {
  std::string model;        ///< looked for by name
  bool measure = true;      ///< the machine's peaks; takes a second or two
  std::size_t threads = 0;  ///< to measure with; 0: every processor
  Services services;
  std::filesystem::path root = "/";  ///< what stands for the file system's root, for tests
};

struct Examination {
  std::vector<Finding> findings;
  std::string isa;                ///< of the chosen kernels; empty when the choice is an error
  std::vector<std::string> sets;  ///< that this processor can run, slowest first
  std::optional<kernels::Peaks> peaks;

  [[nodiscard]] bool good() const;
};

/// Looks at what decides whether and how fast fovea works here: processor and kernels, speed, memory and
/// limits, the default model, and whether Redis and the database can be reached. Nothing is changed.
Examination examine(const Options& options);

nlohmann::ordered_json to_json(const Examination& examination);
std::string to_table(const Examination& examination);

}  // namespace fovea::doctor
