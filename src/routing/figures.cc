#include "routing/figures.h"

#include <chrono>
#include <utility>

namespace fovea::routing {
namespace {

using Json = nlohmann::ordered_json;

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Json breaker_json(const ModelFigures& model, TimePoint now) {
  const CircuitBreaker::Snapshot& breaker = model.breaker;
  Json json{{"state", state_name(breaker.state)},
            {"since_s", seconds(now - breaker.since)},
            {"calls", breaker.calls},
            {"errors", breaker.errors},
            {"error_rate", breaker.error_rate()},
            {"slow", breaker.slow},
            {"slow_rate", breaker.slow_rate()},
            {"opens_for_ms", breaker.opens_for.count()},
            {"opened", breaker.opened},
            {"last_error", breaker.last_error.empty() ? Json() : Json(breaker.last_error)},
            {"enabled", !model.off}};
  if (model.off) {
    json["off_why"] = model.off->why;
    json["off_since_s"] = seconds(now - model.off->since);
  }
  return json;
}

Json model_json(const ModelFigures& model) {
  const ModelCounts& counts = model.counts;
  return {{"breaker", state_name(model.breaker.state)},
          {"admits_calls", model.breaker.state != BreakerState::kOpen && !model.off},
          {"enabled", !model.off},
          {"error_rate", model.breaker.error_rate()},
          {"slow_rate", model.breaker.slow_rate()},
          {"opened", model.breaker.opened},
          {"last_error", model.breaker.last_error.empty() ? Json() : Json(model.breaker.last_error)},
          {"calls", counts.calls},
          {"answers", counts.answers},
          {"errors", counts.errors},
          {"timeouts", counts.timeouts},
          {"refusals", counts.refusals},
          {"given_up", counts.given_up},
          {"left_out", counts.left_out},
          {"retries", counts.retries},
          {"p50_ms", model.latency ? Json(model.latency->p50_ms) : Json()},
          {"p95_ms", model.latency ? Json(model.latency->p95_ms) : Json()}};
}

Json task_json(const TaskCounts& task) {
  return {{"requests", task.requests},   {"answered", task.answered}, {"failed", task.failed},
          {"cancelled", task.cancelled}, {"degraded", task.degraded}, {"fallbacks", task.fallbacks},
          {"escalated", task.escalated}, {"previews", task.previews}, {"arm_a", task.arm_a},
          {"arm_b", task.arm_b}};
}

}  // namespace

Json RouterFigures::stats() const {
  Json by_model = Json::object(), by_task = Json::object(), shadow = Json::array();
  for (const auto& [name, model] : models) by_model[name] = model_json(model);
  for (const auto& [name, task] : tasks) by_task[name] = task_json(task);
  for (const auto& [key, figures] : shadows) {
    Json entry{{"task", key.first}, {"candidate", key.second}};
    entry.update(figures.to_json());
    shadow.push_back(std::move(entry));
  }
  return {{"models", std::move(by_model)},
          {"tasks", std::move(by_task)},
          {"retries",
           {{"tokens", retries.tokens},
            {"requests", retries.requests},
            {"retries", retries.retries},
            {"denied", retries.denied}}},
          {"shadow", std::move(shadow)},
          {"in_flight", in_flight}};
}

Json RouterFigures::breakers() const {
  Json json = Json::object();
  for (const auto& [name, model] : models) json[name] = breaker_json(model, now);
  return json;
}

}  // namespace fovea::routing
