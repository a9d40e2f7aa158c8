#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"
#include "routing/call.h"
#include "routing/limits.h"
#include "routing/policy.h"

namespace fovea::routing {

/// What the caller asks for.
enum class Mode { kAuto, kFast, kAccurate, kHighThroughput, kEdge, kProgressive };

/// "auto", "fast", "accurate", "high_throughput", "edge", "progressive".
const char* mode_name(Mode mode);
std::optional<Mode> mode_of(std::string_view name);

/// What is known of a request before any model sees it.
struct RequestTraits {
  std::string task = {};
  Mode mode = Mode::kAuto;
  std::string model = {};  ///< the caller wants this one and no other; empty: any
  engine::Priority priority = engine::Priority::kNormal;
  std::optional<std::chrono::milliseconds> time_left = {};  ///< until the deadline
  std::string request_id = {};                              ///< decides whether a request is shadowed
  std::string key = {};  ///< decides the arm of an A/B experiment: a client or a device; empty: in none
  std::size_t width = 0, height = 0;     ///< of the picture in pixels; 0: unknown
  std::optional<double> sharpness = {};  ///< in the unit of TaskPolicy::blurred_below
  bool seen_before = false;  ///< this picture was answered before, and the answer is no longer kept
};

/// How a model is at the moment.
struct ModelState {
  std::optional<std::string> unavailable = {};            ///< why it would not be asked: killed, breaker open
  std::optional<LatencyTracker::Quantiles> latency = {};  ///< of its last calls, waiting included
  std::uint64_t needs_bytes = 0;                          ///< memory that loading it takes; 0: it is loaded
};

struct SystemState {
  std::size_t queue_depth = 0;                          ///< requests that wait
  std::optional<std::uint64_t> free_memory_bytes = {};  ///< unset: unknown, and taken as enough
  std::map<std::string, ModelState, std::less<>> models = {};
};

/// One step of a plan: models that are asked together, and what becomes of the answer.
struct Step {
  enum class Kind {
    kAnswer,   ///< the answer is given
    kIfSure,   ///< it is given where it is sure enough; else the next step follows
    kPreview,  ///< it is shown, and the next step follows
    kVote,     ///< the models vote
  };
  Kind kind = Kind::kAnswer;
  std::vector<std::string> models = {};
};

/// Which models are asked in which order, and why.
struct Plan {
  std::string task = {};
  std::string rule = {};  ///< short and stable: "cascade", "mode_fast", "deadline_fast", …; docs/routing.md
  std::string why = {};   ///< a sentence, with the numbers that decided
  std::vector<Step> steps = {};
  std::vector<std::string> fallback = {};  ///< asked, one after the other, where no step gave an answer
  double threshold = 0;
  std::map<std::string, double> field_thresholds = {};
  std::map<std::string, double> weights = {};
  std::string arm = {};     ///< "a" or "b" of an A/B experiment; empty: in none
  std::string shadow = {};  ///< a candidate that is asked too once the answer is given; empty: none

  /// Whether an answer is as sure as the plan wants it of a model that is asked "if sure".
  [[nodiscard]] bool sure(const Answer& answer) const;

  /// Whether this model's answer is what the plan is after, so that it may be given without being marked as
  /// degraded, out of a cache too. Not for votes, whose answers are no single model's.
  [[nodiscard]] bool accepts(std::string_view model, const Answer& answer) const;
};

/// Chooses. A pure function: the same arguments give the same plan. The task must be one of the policy's.
Plan decide(const Policy& policy, const RequestTraits& traits, const SystemState& state);

}  // namespace fovea::routing
