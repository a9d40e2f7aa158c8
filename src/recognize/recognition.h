#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/candidate.h"
#include "engine/request.h"
#include "tasks/check.h"

namespace fovea::recognize {

/// Whether answers that are stored may be given.
enum class CacheMode {
  kUse,      ///< given if there is one, stored if not
  kRefresh,  ///< computed anew and stored
  kOff,      ///< neither
};

/// Which of its task's models a request insists on.
enum class ModelRole {
  kAny,
  kFast,      ///< tasks::DefaultModels::fast and no other
  kAccurate,  ///< tasks::DefaultModels::accurate and no other
};

struct Recognition;

/// One picture to be read. `bytes` must stay valid until the answer is there.
struct Request {
  std::string request_id;            ///< empty: one is made
  std::string file;                  ///< a name for people, may be empty
  std::span<const std::byte> bytes;  ///< the image file's content
  std::string task = "trading-card";
  std::string mode = "auto";  ///< "auto", "fast", "accurate", "high_throughput", "edge" or "progressive"
  std::string model = {};     ///< this one and no other; empty: any
  ModelRole role = ModelRole::kAny;
  std::string key = {};  ///< who asks, for experiments that split clients; may be empty
  engine::Priority priority = engine::Priority::kNormal;
  CacheMode cache = CacheMode::kUse;
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  std::stop_token stop = {};  ///< requested when the caller has gone
  /// Called at most once, before the answer, with one that the answer will replace; not by every backend. It
  /// must not block or throw.
  std::function<void(Recognition)> on_preview = {};
};

/// Milliseconds that one answer took, part by part.
struct Timings {
  double queue_ms = 0;
  double image_ms = 0;
  double vision_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  double total_ms = 0;
};

/// What is known about one picture after its request ended, well or badly.
struct Recognition {
  std::string request_id;
  std::string file;
  std::optional<Error> error;  ///< set: the picture could not be read, and `fields` is empty
  std::string task;
  std::string model;
  std::string model_version;
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();  ///< in the task's order; null: not shown
  nlohmann::ordered_json confidence;     ///< field: probability that it is right; null where none is computed
  nlohmann::ordered_json probabilities;  ///< label: probability, for tasks with labels; else null
  std::optional<std::string> cached;     ///< "memory", "redis", "database": the tier that had the answer
  bool degraded = false;                 ///< another model than the chosen one answered
  std::string rule;                      ///< which routing rule chose the model
  std::string why;                       ///< the reason in words
  Timings timings;
  std::optional<int> retry_after_s;            ///< with an error: seconds after which another try may do
  std::vector<tasks::Check> checks;            ///< what the task's validators say of the fields
  std::vector<catalog::Candidate> candidates;  ///< the catalogue's entries most like the fields, best first
  bool unsure = false;  ///< of tasks with labels: less sure than the task accepts; perhaps none of them
  std::optional<std::int64_t> review_id;  ///< set: the answer waits for a person's review

  [[nodiscard]] bool ok() const { return !error.has_value(); }

  /// The object that `fovea recognize --json` prints and `POST /recognize` answers. `checks`, `candidates`,
  /// `review_id`, and `predicted_class` with
  /// `probabilities` and `unsure`, are there only where there are any.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

}  // namespace fovea::recognize
