#include "routing/decide.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "routing/sticky.h"

namespace fovea::routing {
namespace {

constexpr std::array<std::pair<std::string_view, Mode>, 6> kModes{{{"auto", Mode::kAuto},
                                                                   {"fast", Mode::kFast},
                                                                   {"accurate", Mode::kAccurate},
                                                                   {"high_throughput", Mode::kHighThroughput},
                                                                   {"edge", Mode::kEdge},
                                                                   {"progressive", Mode::kProgressive}}};

class Decider {
 public:
  Decider(const Policy& policy, const TaskPolicy& task, const RequestTraits& traits, const SystemState& state)
      : policy_(policy), task_(task), traits_(traits), state_(state), accurate_(task.accurate) {}

  Plan decide() && {
    plan_.task = task_.task;
    plan_.threshold = task_.threshold;
    plan_.field_thresholds = task_.field_thresholds;
    plan_.weights = task_.weights;
    if (!traits_.model.empty()) {
      one("model_named", traits_.model, "the request names this model, so no other is asked");
      return std::move(plan_);
    }
    assign_arm();
    if (!by_mode() && !by_circumstances()) by_strategy();
    plan_.fallback = fallbacks();
    note_unavailable();
    choose_shadow();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] const ModelState& state_of(std::string_view model) const {
    static const ModelState kUnknown;
    const auto found = state_.models.find(model);
    return found == state_.models.end() ? kUnknown : found->second;
  }
  [[nodiscard]] bool available(std::string_view model) const { return !state_of(model).unavailable; }
  [[nodiscard]] bool pair() const { return task_.fast != accurate_; }
  [[nodiscard]] bool two_stages() const {
    return pair() && (task_.strategy == Strategy::kCascade || task_.strategy == Strategy::kVerify);
  }

  void choose(std::string rule, std::string why, std::vector<Step> steps) {
    plan_.rule = std::move(rule);
    plan_.why = std::move(why);
    plan_.steps = std::move(steps);
  }
  void one(std::string rule, const std::string& model, std::string why) {
    choose(std::move(rule), std::move(why), {{.kind = Step::Kind::kAnswer, .models = {model}}});
  }
  void fast(std::string rule, std::string why) { one(std::move(rule), task_.fast, std::move(why)); }
  void accurate(std::string rule, std::string why) { one(std::move(rule), accurate_, std::move(why)); }

  void verify(std::string rule, std::string why) {
    choose(std::move(rule), std::move(why),
           {{.kind = Step::Kind::kPreview, .models = {task_.fast}},
            {.kind = Step::Kind::kAnswer, .models = {accurate_}}});
  }

  // Arm B has the candidate wherever arm A has the accurate model.
  void assign_arm() {
    if (task_.ab_model.empty() || traits_.key.empty()) return;
    const double point = sticky_point("ab:" + task_.task + ":" + task_.ab_model, traits_.key);
    plan_.arm = point < task_.ab_share ? "b" : "a";
    if (plan_.arm == "b") accurate_ = task_.ab_model;
  }

  bool by_mode() {
    switch (traits_.mode) {
      case Mode::kAuto:
        return false;
      case Mode::kFast:
        fast("mode_fast", "the request asks for the fast model");
        return true;
      case Mode::kHighThroughput:
        fast("mode_high_throughput", "under high throughput the fast model answers");
        return true;
      case Mode::kEdge:
        fast("mode_edge", "at the edge the fast model answers");
        return true;
      case Mode::kAccurate:
        accurate("mode_accurate", "the request asks for the accurate model");
        return true;
      case Mode::kProgressive:
        if (pair()) {
          verify("mode_progressive",
                 fmt::format("{} answers first, then {} confirms or replaces it", task_.fast, accurate_));
        } else {
          one("mode_progressive", accurate_, "the task has one model, so there is no quicker answer");
        }
        return true;
    }
    return false;
  }

  bool by_circumstances() {
    if (!pair()) return false;
    return by_memory() || by_deadline() || by_load() || by_picture();
  }

  bool by_memory() {
    const std::uint64_t needs = state_of(accurate_).needs_bytes;
    if (task_.strategy == Strategy::kEnsemble || !state_.free_memory_bytes ||
        needs <= *state_.free_memory_bytes || state_of(task_.fast).needs_bytes > *state_.free_memory_bytes) {
      return false;
    }
    fast("memory_fast", fmt::format("{} is not loaded and needs {} MB, {} MB are free", accurate_,
                                    needs / 1'000'000, *state_.free_memory_bytes / 1'000'000));
    return true;
  }

  // 95 of 100 calls took no longer lately. Without figures there is nothing to judge by.
  bool by_deadline() {
    const auto& slow = state_of(accurate_).latency;
    const auto& quick = state_of(task_.fast).latency;
    if (!traits_.time_left || !slow || !quick || quick->p95_ms >= slow->p95_ms) return false;
    const auto left = static_cast<double>(traits_.time_left->count());
    if (slow->p95_ms > left) {
      fast("deadline_fast", fmt::format("{:.0f} ms are left, and {} took up to {:.0f} ms lately (95 %)", left,
                                        accurate_, slow->p95_ms));
      return true;
    }
    // Both do not fit: where a wrong answer costs more than a slow one, the accurate one alone.
    if (!two_stages() || quick->p95_ms + slow->p95_ms <= left) return false;
    const std::string why =
        fmt::format("{:.0f} ms are left, {} and {} took up to {:.0f} and {:.0f} ms (95 %)", left, task_.fast,
                    accurate_, quick->p95_ms, slow->p95_ms);
    if (task_.accuracy_critical || task_.complex) {
      accurate("deadline_accurate", why);
    } else {
      fast("deadline_fast", why);
    }
    return true;
  }

  bool by_load() {
    if (task_.fast_when_queued == 0 || state_.queue_depth < task_.fast_when_queued) return false;
    if (task_.accuracy_critical || traits_.priority == engine::Priority::kHigh) return false;
    fast("load_fast", fmt::format("{} requests wait, from {} on the fast model answers", state_.queue_depth,
                                  task_.fast_when_queued));
    return true;
  }

  bool by_picture() {
    if (task_.blurred_below > 0 && traits_.sharpness && *traits_.sharpness < task_.blurred_below) {
      accurate("blurred_accurate", fmt::format("the picture's sharpness is {:.3g}, below {:.3g}",
                                               *traits_.sharpness, task_.blurred_below));
      return true;
    }
    if (task_.complex && two_stages()) {
      accurate("complex_accurate", "the task is one that fast models do badly");
      return true;
    }
    if (task_.accuracy_critical) return false;
    const std::size_t side = std::min(traits_.width, traits_.height);
    if (side > 0 && side < task_.small_below_px) {
      fast("small_fast", fmt::format("the picture's shorter side has {} pixels, fewer than {}", side,
                                     task_.small_below_px));
      return true;
    }
    if (task_.seen_before_fast && traits_.seen_before) {
      fast("seen_before_fast", "the picture was seen before");
      return true;
    }
    return false;
  }

  void by_strategy() {
    const std::string name = strategy_name(task_.strategy);
    switch (task_.strategy) {
      case Strategy::kEnsemble:
        return choose(name, fmt::format("{} vote on every field", fmt::join(task_.members, ", ")),
                      {{.kind = Step::Kind::kVote, .models = task_.members}});
      case Strategy::kVerify:
        return verify(name, fmt::format("{} previews, {} confirms", task_.fast, accurate_));
      case Strategy::kCascade:
        if (!pair()) break;
        return choose(name,
                      fmt::format("{} answers where it is at least {:.3g} sure, else {}", task_.fast,
                                  task_.threshold, accurate_),
                      {{.kind = Step::Kind::kIfSure, .models = {task_.fast}},
                       {.kind = Step::Kind::kAnswer, .models = {accurate_}}});
      case Strategy::kAb:
        return one(name, accurate_,
                   plan_.arm.empty() ? "the request has no key, so it is in no arm"
                                     : fmt::format("its key is in arm {}, {:.3g} % of keys are in arm b",
                                                   plan_.arm, 100 * task_.ab_share));
      case Strategy::kShadow:
      case Strategy::kSingle:
        break;
    }
    one(name, accurate_, fmt::format("{} answers this task", accurate_));
  }

  [[nodiscard]] std::vector<std::string> fallbacks() const {
    std::vector<std::string> planned;
    for (const Step& step : plan_.steps) {
      planned.insert(planned.end(), step.models.begin(), step.models.end());
    }
    std::vector<std::string> others;
    for (const std::string& model : task_.fallback) {
      if (std::ranges::find(planned, model) == planned.end()) others.push_back(model);
    }
    return others;
  }

  void note_unavailable() {
    for (const Step& step : plan_.steps) {
      for (const std::string& model : step.models) {
        if (available(model)) continue;
        plan_.why += fmt::format("; {} is left out now: {}", model, *state_of(model).unavailable);
      }
    }
  }

  void choose_shadow() {
    const std::string& candidate = task_.shadow_model;
    if (candidate.empty() || !available(candidate) || state_.queue_depth > policy_.shadow_max_queued) return;
    for (const Step& step : plan_.steps) {
      if (std::ranges::find(step.models, candidate) != step.models.end()) return;
    }
    if (sticky_point("shadow:" + task_.task, traits_.request_id) < task_.shadow_share) {
      plan_.shadow = candidate;
    }
  }

  const Policy& policy_;
  const TaskPolicy& task_;
  const RequestTraits& traits_;
  const SystemState& state_;
  std::string accurate_;  // of the request's arm
  Plan plan_;
};

}  // namespace

const char* mode_name(Mode mode) {
  for (const auto& [name, known] : kModes) {
    if (known == mode) return name.data();
  }
  return "auto";
}

std::optional<Mode> mode_of(std::string_view name) {
  for (const auto& [known, mode] : kModes) {
    if (known == name) return mode;
  }
  return std::nullopt;
}

bool Plan::sure(const Answer& answer) const {
  if (answer.sureness() < threshold) return false;
  return std::ranges::all_of(field_thresholds, [&](const auto& entry) {
    const auto found = answer.confidence.find(entry.first);
    return found != answer.confidence.end() && found->is_number() &&
           found->template get<double>() >= entry.second;
  });
}

bool Plan::accepts(std::string_view model, const Answer& answer) const {
  return std::ranges::any_of(steps, [&](const Step& step) {
    if (std::ranges::find(step.models, model) == step.models.end()) return false;
    return step.kind == Step::Kind::kAnswer || (step.kind == Step::Kind::kIfSure && sure(answer));
  });
}

Plan decide(const Policy& policy, const RequestTraits& traits, const SystemState& state) {
  const auto task = policy.tasks.find(traits.task);
  assert(task != policy.tasks.end());
  return Decider(policy, task->second, traits, state).decide();
}

}  // namespace fovea::routing
