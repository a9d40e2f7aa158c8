#include "routing/policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

namespace fovea::routing {
namespace {

constexpr std::array<std::pair<std::string_view, Strategy>, 6> kStrategies{{{"single", Strategy::kSingle},
                                                                            {"cascade", Strategy::kCascade},
                                                                            {"verify", Strategy::kVerify},
                                                                            {"ensemble", Strategy::kEnsemble},
                                                                            {"shadow", Strategy::kShadow},
                                                                            {"ab", Strategy::kAb}}};

std::unexpected<Error> mistake(const config::Place& place, const std::string& message) {
  return fail(ErrorCode::kUsage, place.text.empty() ? message : fmt::format("{}: {}", place.text, message));
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

ModelPolicy model_policy(const config::RouterConfig& router, const config::RouterModelConfig* own) {
  const config::BreakerConfig& breaker = own != nullptr ? own->breaker : router.breaker;
  const bool own_timeout = own != nullptr && own->timeout_ms > 0;
  return {.timeout = std::chrono::milliseconds(own_timeout ? own->timeout_ms : router.timeout_ms),
          .enabled = own == nullptr || own->enabled,
          .breaker = {.window = milliseconds(breaker.window_s),
                      .minimum_calls = breaker.minimum_calls,
                      .error_rate = breaker.error_rate,
                      .slow_call_rate = breaker.slow_call_rate,
                      .slow_call = std::chrono::milliseconds(own != nullptr ? own->slow_call_ms : 0),
                      .open = milliseconds(breaker.open_s),
                      .half_open_probes = breaker.half_open_probes}};
}

void add_once(std::vector<std::string>& list, const std::string& model) {
  if (!model.empty() && std::ranges::find(list, model) == list.end()) list.push_back(model);
}

/// Makes the policy of one task.
class TaskMaker {
 public:
  TaskMaker(const tasks::Task& task, std::span<const std::string> models, std::optional<double> calibrated)
      : task_(task), models_(models), calibrated_(calibrated) {}

  Result<TaskPolicy> make(const config::RouterTaskConfig& config) {
    FOVEA_CHECK_OK(check_models(config));
    TaskPolicy policy{.task = task_.name,
                      .members = config.candidates,
                      .field_thresholds = config.field_thresholds,
                      .weights = config.weights,
                      .shadow_model = config.shadow_model,
                      .shadow_share = config.shadow_share,
                      .ab_model = config.ab_model,
                      .ab_share = config.ab_share,
                      .accuracy_critical = config.accuracy_critical.value_or(task_.accuracy_critical),
                      .complex = config.complex.value_or(task_.complex),
                      .seen_before_fast = config.seen_before_fast,
                      .fast_when_queued = config.fast_when_queued,
                      .small_below_px = config.small_below_px,
                      .blurred_below = config.blurred_below};
    choose_pair(config, policy);
    FOVEA_CHECK_OK(choose_strategy(config, policy));
    for (const std::string& model : config.fallback) add_once(policy.fallback, model);
    for (const std::string& model : policy.members) add_once(policy.fallback, model);
    add_once(policy.fallback, policy.accurate);
    add_once(policy.fallback, policy.fast);
    return policy;
  }

 private:
  [[nodiscard]] bool exists(std::string_view model) const {
    return std::ranges::find(models_, model) != models_.end();
  }

  Result<void> check_models(const config::RouterTaskConfig& config) const {
    std::vector<std::string> named{config.fast, config.accurate, config.shadow_model, config.ab_model};
    named.insert(named.end(), config.candidates.begin(), config.candidates.end());
    named.insert(named.end(), config.fallback.begin(), config.fallback.end());
    for (const auto& [model, weight] : config.weights) named.push_back(model);
    for (const std::string& model : named) {
      if (model.empty() || exists(model)) continue;
      return mistake(config.place, fmt::format("[router.tasks.{}]: expected models that are loaded ({}), "
                                               "found \"{}\"",
                                               task_.name, fmt::join(models_, ", "), model));
    }
    for (const auto& [field, threshold] : config.field_thresholds) {
      if (task_.find_field(field) == nullptr) {
        return mistake(config.place,
                       fmt::format("[router.tasks.{}]: the task has no field \"{}\"", task_.name, field));
      }
    }
    return {};
  }

  /// The file's models; else the task's own where they are loaded; else whichever there is.
  void choose_pair(const config::RouterTaskConfig& config, TaskPolicy& policy) const {
    policy.fast = config.fast;
    policy.accurate = config.accurate;
    if (policy.fast.empty() && exists(task_.models.fast)) policy.fast = task_.models.fast;
    if (policy.accurate.empty() && exists(task_.models.accurate)) policy.accurate = task_.models.accurate;
    if (policy.accurate.empty()) policy.accurate = policy.fast.empty() ? models_.front() : policy.fast;
    if (policy.fast.empty()) policy.fast = policy.accurate;
  }

  Result<void> choose_strategy(const config::RouterTaskConfig& config, TaskPolicy& policy) const {
    const std::optional<double> threshold = config.threshold ? config.threshold : calibrated_;
    policy.threshold = threshold.value_or(0);
    const bool pair = policy.fast != policy.accurate;
    const auto* known =
        std::ranges::find(kStrategies, config.strategy, &std::pair<std::string_view, Strategy>::first);
    if (known == kStrategies.end()) {
      policy.strategy =
          pair && (threshold || !policy.field_thresholds.empty()) ? Strategy::kCascade : Strategy::kSingle;
      return {};
    }
    policy.strategy = known->second;
    if (policy.strategy != Strategy::kCascade && policy.strategy != Strategy::kVerify) return {};
    if (!pair) {
      return mistake(config.place,
                     fmt::format("[router.tasks.{}]: the strategy {} needs a fast and an accurate model, "
                                 "found only {}",
                                 task_.name, config.strategy, policy.accurate));
    }
    if (policy.strategy == Strategy::kCascade && !threshold && policy.field_thresholds.empty()) {
      return mistake(config.place,
                     fmt::format("[router.tasks.{}]: the strategy cascade needs a threshold: set one, or "
                                 "have `fovea calibrate --target-accuracy` choose it",
                                 task_.name));
    }
    return {};
  }

  const tasks::Task& task_;
  const std::span<const std::string> models_;
  const std::optional<double> calibrated_;
};

}  // namespace

const char* strategy_name(Strategy strategy) {
  for (const auto& [name, known] : kStrategies) {
    if (known == strategy) return name.data();
  }
  return "single";
}

std::vector<std::string> TaskPolicy::models() const {
  std::vector<std::string> all;
  add_once(all, fast);
  add_once(all, accurate);
  for (const std::string& model : members) add_once(all, model);
  for (const std::string& model : fallback) add_once(all, model);
  add_once(all, ab_model);
  add_once(all, shadow_model);
  return all;
}

Result<Policy> Policy::make(const config::RouterConfig& config, const tasks::TaskSet& tasks,
                            std::span<const std::string> models,
                            const std::map<std::string, double>& thresholds) {
  assert(!models.empty());
  Policy policy{.tasks = {},
                .models = {},
                .deadline_margin = std::chrono::milliseconds(config.deadline_margin_ms),
                .retries = config.retries,
                .retry_budget = config.retry_budget,
                .retry_burst = config.retry_burst,
                .last_resort = config.last_resort,
                .shadow_max_in_flight = config.shadow_max_in_flight,
                .shadow_max_queued = config.shadow_max_queued};
  for (const std::string& model : models) policy.models[model] = model_policy(config, nullptr);
  for (const config::RouterModelConfig& model : config.models) {
    const auto found = policy.models.find(model.name);
    if (found == policy.models.end()) {
      return mistake(model.place, fmt::format("[router.models.{}]: expected a model that is loaded: {}",
                                              model.name, fmt::join(models, ", ")));
    }
    found->second = model_policy(config, &model);
  }
  for (const config::RouterTaskConfig& task : config.tasks) {
    if (tasks.find(task.name) != nullptr) continue;
    return mistake(task.place, fmt::format("[router.tasks.{}]: expected one of the tasks {}", task.name,
                                           fmt::join(tasks.names(), ", ")));
  }
  for (const std::string& name : tasks.names()) {
    const auto entry = std::ranges::find(config.tasks, name, &config::RouterTaskConfig::name);
    const auto calibrated = thresholds.find(name);
    TaskMaker maker(*tasks.find(name), models,
                    calibrated == thresholds.end() ? std::nullopt : std::optional(calibrated->second));
    FOVEA_TRY(policy.tasks[name],
              maker.make(entry == config.tasks.end() ? config::RouterTaskConfig{.name = name} : *entry));
  }
  return policy;
}

}  // namespace fovea::routing
