#include "routing/router.h"

#include <fmt/format.h>

#include <utility>

#include "routing/core.h"
#include "routing/execution.h"

namespace fovea::routing {
namespace {

Result<ModelHealth*> find(const Core& core, const std::string& model) {
  ModelHealth* health = core.find(model);
  if (health == nullptr) return fail(ErrorCode::kNotFound, fmt::format("no model \"{}\" is loaded", model));
  return health;
}

}  // namespace

Router::Router(Policy policy, ModelCall& models, Timers& timers, const BreakerListener& changed)
    : core_(std::make_shared<Core>(std::move(policy), models, timers)) {
  const TimePoint now = timers.now();
  for (const auto& [name, model] : core_->policy.models) {
    CircuitBreaker::Listener listener;
    if (changed) listener = [changed, name](const CircuitBreaker::Change& change) { changed(name, change); };
    core_->health[name] = std::make_unique<ModelHealth>(model, now, std::move(listener));
    if (!model.enabled) core_->kill_switch.turn_off(name, "the configuration says so", now);
  }
  for (const auto& [name, task] : core_->policy.tasks) core_->tasks[name] = {};
}

Router::~Router() {
  core_->closing.request_stop();
  std::unique_lock lock(core_->mutex);
  core_->idle.wait(lock, [&] { return core_->in_flight == 0; });
}

const Policy& Router::policy() const {
  return core_->policy;
}

SystemState Router::state(const Load& load) const {
  const TimePoint now = core_->timers.now();
  SystemState state{
      .queue_depth = load.queue_depth, .free_memory_bytes = load.free_memory_bytes, .models = {}};
  for (const auto& [name, health] : core_->health) {
    ModelState& model = state.models[name];
    const auto breaker = health->breaker.snapshot(now);
    if (const auto off = core_->kill_switch.off(name)) {
      model.unavailable = fmt::format("it is turned off ({})", off->why);
    } else if (breaker.state == BreakerState::kOpen) {
      model.unavailable = fmt::format("its breaker is open for another {} ms ({})", breaker.opens_for.count(),
                                      breaker.last_error.empty() ? "slow" : breaker.last_error);
    }
    model.latency = health->latency.quantiles(now);
    if (const auto needs = load.needs_bytes.find(name); needs != load.needs_bytes.end()) {
      model.needs_bytes = needs->second;
    }
  }
  return state;
}

Plan Router::decide(const RequestTraits& traits, const Load& load) const {
  return routing::decide(core_->policy, traits, state(load));
}

void Router::execute(Plan plan, Question question, std::optional<TimePoint> deadline, std::stop_token stop,
                     Listener listener) {
  Execution::start(core_, std::move(plan), std::move(question), deadline, std::move(stop),
                   std::move(listener));
}

Result<void> Router::turn_off(const std::string& model, const std::string& why) {
  if (auto found = find(*core_, model); !found) return std::unexpected(std::move(found).error());
  core_->kill_switch.turn_off(model, why, core_->timers.now());
  return {};
}

Result<void> Router::turn_on(const std::string& model) {
  if (auto found = find(*core_, model); !found) return std::unexpected(std::move(found).error());
  core_->kill_switch.turn_on(model);
  return {};
}

Result<void> Router::close_breaker(const std::string& model) {
  FOVEA_TRY(ModelHealth * health, find(*core_, model));
  health->breaker.reset(core_->timers.now());
  return {};
}

RouterFigures Router::figures() const {
  RouterFigures figures;
  figures.now = core_->timers.now();
  for (const auto& [name, health] : core_->health) {
    figures.models[name] = {.counts = health->counts(),
                            .breaker = health->breaker.snapshot(figures.now),
                            .latency = health->latency.quantiles(figures.now),
                            .off = core_->kill_switch.off(name)};
  }
  figures.retries = core_->retries.snapshot();
  figures.shadows = core_->shadows.figures();
  const std::lock_guard lock(core_->mutex);
  figures.tasks = core_->tasks;
  figures.in_flight = core_->in_flight;
  return figures;
}

}  // namespace fovea::routing
