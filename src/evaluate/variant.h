#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "evaluate/confusion.h"
#include "evaluate/count.h"
#include "evaluate/evaluate.h"
#include "evaluate/load.h"
#include "evaluate/reliability.h"

namespace fovea::evaluate {

/// Percentiles (nearest rank) of so many measured times.
struct Latency {
  double p50_ms = 0;
  double p95_ms = 0;
  std::size_t n = 0;

  /// Sorts the times first. All zero where there are none.
  static Latency of(std::vector<double> times_ms);
};

/// A number of requests kept under way, what came of it and the most memory the process held meanwhile.
struct LoadLevel {
  std::size_t parallel = 0;
  double per_second = 0;
  std::uint64_t peak_bytes = 0;  ///< 0: the system does not say
};

/// The most that is told: a line through a few levels says nothing of thousands.
inline constexpr std::size_t kMostRoom = 1000;

/// How many requests at a time a memory limit has room for, by the levels that were measured.
struct Room {
  double base_bytes = 0;            ///< with one request under way
  double bytes_per_request = 0;     ///< for each further one: least squares over the levels, at least 0
  std::size_t measured_up_to = 0;   ///< requests at a time
  std::optional<std::size_t> fits;  ///< none: no growth was seen, so that memory set no bound
  bool beyond_measurement = false;  ///< `fits` goes on along the line
};

/// The line of `levels` against `limit_bytes`; fits 0 where one request is too much already.
Room room_within(const std::vector<LoadLevel>& levels, std::uint64_t limit_bytes);

/// Whether a model fits the budget of a microcontroller (edge::Budget's: an RP2040).
struct EdgeFit {
  bool fits = false;
  std::string why;                               ///< where it does not
  std::uint64_t flash_bytes = 0, ram_bytes = 0;  ///< 0: not a model that can be exported
};

/// Everything that was measured of one model in one type of weights: a row of the comparison.
struct Variant {
  std::string name;    ///< MODEL:DTYPE
  std::string model;   ///< the name it was asked for by
  std::string dtype;   ///< "f32", "bf16", "int8" or "int4"
  std::string folder;  ///< of the checkpoint that was measured
  std::string version;
  bool as_stored = true;  ///< the folder holds weights of this type; else they are converted while it loads
  std::string key;        ///< of all that decides the figures; see matrix.h

  std::uint64_t file_bytes = 0;
  std::uint64_t parameters = 0;
  std::uint64_t memory_bytes = 0;  ///< peak of the process (VmHWM) that read the pictures one at a time
  Latency cold;                    ///< from the command's start to the first answer, a process each
  Latency warm;                    ///< one picture at a time
  std::vector<LoadLevel> levels;

  Count whole;
  std::size_t failed = 0;
  std::vector<std::pair<std::string, Count>> fields;
  Confusion confusion;      ///< labels tasks only
  Reliability reliability;  ///< n = 0: the model gave no confidences
  std::vector<bool> right;  ///< for each picture in order
  EdgeFit edge;

  /// The best of the levels.
  [[nodiscard]] double per_second() const;

  /// An entry of `results`: what `fovea evaluate --json` always has, and the rest of the above.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
  /// Errors: kInvalidArgument, naming the member.
  static Result<Variant> from_json(const nlohmann::ordered_json& json);
};

}  // namespace fovea::evaluate
