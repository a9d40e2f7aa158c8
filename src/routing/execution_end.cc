#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "routing/ensemble.h"
#include "routing/execution.h"

// How a request ends: what is given of the answers there are, and what is said of it.

namespace fovea::routing {

bool Execution::running() const {
  return std::ranges::any_of(stages_, [](const Stage& stage) { return stage.running > 0; });
}

bool Execution::voted() const {
  return std::ranges::any_of(stages_, [](const Stage& stage) { return !stage.votes.empty(); });
}

bool Execution::planned_running() const {
  return std::ranges::any_of(stages_, [](const Stage& stage) { return stage.planned && stage.running > 0; });
}

void Execution::note(Call& call, const char* outcome, std::string detail) {
  Attempt& attempt = outcome_.attempts[call.attempt];
  attempt.outcome = outcome;
  attempt.detail = std::move(detail);
  attempt.ms = milliseconds_between(call.started, core_->timers.now());
}

void Execution::remark(std::string_view text) {
  remarks_ += "; ";
  remarks_ += text;
}

void Execution::conclude_vote(Stage& stage) {
  // In the plan's order, which settles ties, and not in the order of the answers.
  std::vector<Ballot> ballots;
  std::string voters;
  for (const std::string& model : stage.models) {
    const auto found = std::ranges::find(stage.votes, model, &std::pair<std::string, Answer>::first);
    if (found == stage.votes.end()) continue;
    const auto weight = plan_.weights.find(model);
    ballots.push_back({.model = model,
                       .weight = weight == plan_.weights.end() ? 1.0 : weight->second,
                       .answer = &found->second});
    voters += (voters.empty() ? "" : "+") + model;
  }
  const bool degraded = ballots.size() < stage.models.size();
  if (degraded) remark(fmt::format("{} of {} models voted", ballots.size(), stage.models.size()));
  finish_with(vote(*question_, ballots), std::move(voters), degraded);
}

void Execution::at_deadline() {
  const auto partial = std::ranges::find_if(stages_, [](const Stage& stage) { return !stage.votes.empty(); });
  if (partial != stages_.end()) return conclude_vote(*partial);
  if (held_) {
    remark("the deadline came before a better answer");
    return finish_held();
  }
  finish_with(
      Error{ErrorCode::kDeadline, fmt::format("no model answered before the deadline, {:.0f} ms after "
                                              "the request was routed",
                                              milliseconds_between(started_, core_->timers.now()))});
}

void Execution::finish_held() {
  const bool degraded = !plan_.accepts(held_->model, held_->answer);
  finish_with(std::move(held_->answer), std::move(held_->model), degraded);
}

/// No model gave an answer: says why, and when it may be different.
void Execution::finish_empty() {
  if (errors_.empty()) {
    std::optional<std::chrono::milliseconds> soonest;
    for (const std::string& model : barred_) {
      const auto breaker = core_->find(model)->breaker.snapshot(core_->timers.now());
      soonest = std::min(soonest.value_or(breaker.opens_for), breaker.opens_for);
    }
    if (soonest) {
      const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(*soonest).count();
      outcome_.retry_after_s = static_cast<int>(std::max<std::int64_t>(1, seconds));
    }
    return finish_with(Error{ErrorCode::kUnavailable, fmt::format("no model may be asked now{}", remarks_)});
  }
  // Waiting helps where a model was merely busy; otherwise the first one's error stands for all.
  Error error = errors_.front().second;
  if (errors_.size() > 1) {
    error.message.clear();
    for (const auto& [model, each] : errors_) {
      error.message += fmt::format("{}{}: {}", error.message.empty() ? "" : "; ", model, each.message);
      if (each.code == ErrorCode::kOverloaded) error.code = each.code;
    }
  }
  // Nobody asked for a stop: a model that stopped by itself was not there to answer.
  if (error.code == ErrorCode::kCancelled) error.code = ErrorCode::kUnavailable;
  finish_with(std::move(error));
}

void Execution::finish_with(Answer answer, std::string model, bool degraded) {
  const bool stood_in = std::ranges::find(plan_.fallback, model) != plan_.fallback.end();
  outcome_.rule = stood_in ? "fallback" : plan_.rule;
  outcome_.degraded = degraded;
  outcome_.model = std::move(model);
  outcome_.answer = std::move(answer);
  finish();
}

void Execution::finish_with(Error error) {
  outcome_.rule = plan_.rule;
  outcome_.answer = std::unexpected(std::move(error));
  finish();
}

void Execution::finish() {
  finished_ = true;
  for (const auto& call : calls_) {
    if (!call->over) give_up(*call);
  }
  if (timer_) core_->timers.cancel(*timer_);
  left_.reset();
  closing_.reset();
  outcome_.why = plan_.why + remarks_;
  outcome_.arm = plan_.arm;
  {
    const bool escalated = std::ranges::any_of(
        outcome_.attempts, [](const Attempt& attempt) { return attempt.outcome == "unsure"; });
    const std::lock_guard lock(core_->mutex);
    TaskCounts& counts = core_->tasks[plan_.task];
    counts.escalated += escalated ? 1 : 0;
    if (outcome_.answer) {
      ++counts.answered;
      counts.degraded += outcome_.degraded ? 1 : 0;
      counts.fallbacks += outcome_.rule == "fallback" ? 1 : 0;
    } else if (outcome_.answer.error().code == ErrorCode::kCancelled) {
      ++counts.cancelled;
    } else {
      ++counts.failed;
    }
  }
  std::optional<Answer> given;
  if (!plan_.shadow.empty() && outcome_.answer) given = *outcome_.answer;
  const double given_ms = milliseconds_between(started_, core_->timers.now());
  Listener listener = std::exchange(listener_, {});
  listener.on_done(std::move(outcome_));
  if (given) shadow(core_, plan_.task, plan_.shadow, question_, std::move(*given), given_ms);
  core_->end();
}

/// A call that nobody waits for says something about its model only once it took twice what is usual: a
/// client with a tight deadline must not open breakers.
void Execution::give_up(Call& call) {
  const TimePoint now = core_->timers.now();
  const double took_ms = milliseconds_between(call.started, now);
  const auto latency = call.health->latency.quantiles(now);
  call.over = true;
  --stages_[call.stage].running;
  note(call, "given_up", {});
  call.health->count(&ModelCounts::given_up);
  if (latency && took_ms >= 2 * latency->p95_ms && took_ms > 0) {
    call.permit.fail(now, std::chrono::duration_cast<std::chrono::milliseconds>(now - call.started),
                     fmt::format("no answer within {:.0f} ms, twice what is usual", took_ms));
  } else {
    call.permit.withdraw();
  }
  call.stop.request_stop();
}

}  // namespace fovea::routing
