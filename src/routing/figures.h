#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "routing/breaker.h"
#include "routing/limits.h"
#include "routing/shadow.h"

namespace fovea::routing {

/// What happened to the calls of one model.
struct ModelCounts {
  std::uint64_t calls = 0;     ///< calls that were made, shadow calls too
  std::uint64_t answers = 0;   ///< that gave an answer of the right form in time
  std::uint64_t errors = 0;    ///< that failed
  std::uint64_t timeouts = 0;  ///< of these, those that took too long
  std::uint64_t refusals = 0;  ///< that ended without blame: overloaded, the request itself was wrong
  std::uint64_t given_up = 0;  ///< that nobody waited for any more
  std::uint64_t left_out = 0;  ///< times that it was due and not asked: turned off, or its breaker was open
  std::uint64_t retries = 0;   ///< calls that were a second try
};

/// What happened to the requests for one task.
struct TaskCounts {
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;  ///< of them cancelled: the client had left
  std::uint64_t cancelled = 0;
  std::uint64_t degraded = 0;   ///< answered otherwise than the plan wanted
  std::uint64_t fallbacks = 0;  ///< answered by a model that the plan had not chosen
  std::uint64_t escalated = 0;  ///< cascades that went on to the next model
  std::uint64_t previews = 0;
  std::uint64_t arm_a = 0, arm_b = 0;
};

struct ModelFigures {
  ModelCounts counts = {};
  CircuitBreaker::Snapshot breaker = {};
  std::optional<LatencyTracker::Quantiles> latency = {};
  std::optional<KillSwitch::Off> off = {};
};

/// Everything the router counts, at one moment.
struct RouterFigures {
  TimePoint now = {};
  std::map<std::string, ModelFigures> models = {};
  std::map<std::string, TaskCounts> tasks = {};
  RetryBudget::Snapshot retries = {};
  std::map<ShadowBook::Key, ShadowFigures> shadows = {};
  std::size_t in_flight = 0;  ///< requests and shadow calls

  /// For `/stats`: {"models": {name: {...}}, "tasks": {name: {...}}, "retries": {...}, "shadow": [...]}.
  [[nodiscard]] nlohmann::ordered_json stats() const;

  /// For `/admin/breakers`: {name: {"state", "since_s" (seconds ago), "calls", "errors", "error_rate",
  /// "slow", "slow_rate", "opens_for_ms", "opened", "last_error", "enabled", "off_why"}}.
  [[nodiscard]] nlohmann::ordered_json breakers() const;
};

}  // namespace fovea::routing
