#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/router.h"
#include "routing/breaker.h"
#include "tasks/task_set.h"

namespace fovea::routing {

/// How a task's models work together.
enum class Strategy {
  kSingle,    ///< one model answers
  kCascade,   ///< the fast one, and the accurate one where that is not sure
  kVerify,    ///< the fast one previews, the accurate one confirms
  kEnsemble,  ///< several answer, and vote field by field
  kShadow,    ///< single, and a share of the requests goes to a candidate too
  kAb,        ///< single, and a share of the keys is answered by a candidate
};

/// "single", "cascade", "verify", "ensemble", "shadow", "ab".
const char* strategy_name(Strategy strategy);

/// How one task is routed. All models are ones that exist.
struct TaskPolicy {
  std::string task = {};
  Strategy strategy = Strategy::kSingle;
  std::string fast = {}, accurate = {};    ///< equal where there is one model
  std::vector<std::string> members = {};   ///< of an ensemble
  std::vector<std::string> fallback = {};  ///< further models, asked in this order
  double threshold = 0;                    ///< a cascade escalates where the whole answer is less sure
  std::map<std::string, double> field_thresholds = {};  ///< or one of these fields
  std::map<std::string, double> weights = {};           ///< of members; 1 where not named
  std::string shadow_model = {};                        ///< empty: none
  double shadow_share = 0;
  std::string ab_model = {};  ///< empty: none
  double ab_share = 0;
  bool accuracy_critical = false, complex = false;
  bool seen_before_fast = false;
  std::size_t fast_when_queued = 0;
  std::size_t small_below_px = 0;
  double blurred_below = 0;

  /// Every model that may be asked, each once.
  [[nodiscard]] std::vector<std::string> models() const;
};

struct ModelPolicy {
  std::chrono::milliseconds timeout{60'000};
  bool enabled = true;
  BreakerOptions breaker = {};
};

/// What `[router]`, the tasks and the calibrated thresholds come to. Only read once it is made.
struct Policy {
  std::map<std::string, TaskPolicy, std::less<>> tasks = {};
  std::map<std::string, ModelPolicy, std::less<>> models = {};
  std::chrono::milliseconds deadline_margin{5};
  std::size_t retries = 1;
  double retry_budget = 0.1;
  std::size_t retry_burst = 10;
  bool last_resort = true;
  std::size_t shadow_max_in_flight = 1;
  std::size_t shadow_max_queued = 2;

  /// `models`: the names of those that exist, at least one; the first answers tasks whose own models are not
  /// among them. `thresholds`: by task, as `fovea calibrate` stored them for its fast model.
  /// Errors (kUsage, with the place in the file): a task or model that does not exist, a strategy without
  /// the models or the threshold it needs.
  static Result<Policy> make(const config::RouterConfig& config, const tasks::TaskSet& tasks,
                             std::span<const std::string> models,
                             const std::map<std::string, double>& thresholds);
};

}  // namespace fovea::routing
