#include "routing/execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace fovea::routing {
namespace {

/// How much longer than 95 of 100 calls a model is given before its successor is asked beside it.
constexpr double kPatience = 1.25;

/// How much time, in what 95 of its calls in 100 took, is kept for a model that may have to stand in: the
/// call that matters may be one of the other five.
constexpr double kReserve = 2;

std::chrono::nanoseconds nanoseconds(double ms) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace

Result<Answer> check_form(const Question& question, Result<Answer> answer) {
  if (!answer || question.task == nullptr) return answer;
  auto fields = tasks::check_fields(*question.task, answer->fields);
  if (!fields) {
    return fail(ErrorCode::kInvalidOutput,
                fmt::format("the answer has not the task's form: {}", fields.error().message));
  }
  answer->fields = std::move(*fields);
  return answer;
}

void Execution::start(std::shared_ptr<Core> core, Plan plan, Question question,
                      std::optional<TimePoint> deadline, std::stop_token stop, Listener listener) {
  const auto execution = std::make_shared<Execution>(std::move(core), std::move(plan), std::move(question),
                                                     deadline, std::move(listener));
  execution->core_->begin();
  execution->count_request();
  // Only once both watches stand may an event be handled: the last one takes them down.
  {
    const std::lock_guard lock(execution->mutex_);
    execution->handling_ = true;
  }
  const std::weak_ptr<Execution> weak = execution;
  execution->left_.emplace(std::move(stop), [weak] {
    if (const auto self = weak.lock()) self->post(Left{});
  });
  execution->closing_.emplace(execution->core_->closing.get_token(), [weak] {
    if (const auto self = weak.lock()) self->post(Closing{});
  });
  {
    const std::lock_guard lock(execution->mutex_);
    execution->handling_ = false;
  }
  execution->post(Start{});
}

Execution::Execution(std::shared_ptr<Core> core, Plan plan, Question question,
                     std::optional<TimePoint> deadline, Listener listener)
    : core_(std::move(core)),
      plan_(std::move(plan)),
      question_(std::make_shared<const Question>(std::move(question))),
      deadline_(deadline),
      started_(core_->timers.now()),
      listener_(std::move(listener)) {
  // A deadline too near for the margin is kept as it is.
  const auto margin = core_->policy.deadline_margin;
  if (deadline_ && *deadline_ - started_ > 2 * margin) *deadline_ -= margin;
  for (const Step& step : plan_.steps) stages_.push_back({.kind = step.kind, .models = step.models});
  for (const std::string& model : plan_.fallback) {
    stages_.push_back({.kind = Step::Kind::kAnswer, .models = {model}, .planned = false});
  }
}

void Execution::post(Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    if (std::exchange(handling_, true)) return;
  }
  const auto self = shared_from_this();
  while (true) {
    std::optional<Event> next;
    {
      const std::lock_guard lock(mutex_);
      if (events_.empty()) {
        handling_ = false;
        return;
      }
      next = std::move(events_.front());
      events_.pop_front();
    }
    if (finished_) continue;
    std::visit([this](auto&& each) { handle(std::forward<decltype(each)>(each)); }, std::move(*next));
    arrange_timer();
  }
}

void Execution::count_request() {
  core_->retries.request();
  const std::lock_guard lock(core_->mutex);
  TaskCounts& counts = core_->tasks[plan_.task];
  ++counts.requests;
  counts.arm_a += plan_.arm == "a" ? 1 : 0;
  counts.arm_b += plan_.arm == "b" ? 1 : 0;
}

void Execution::handle(Start /*event*/) {
  if (deadline_ && *deadline_ <= started_) return at_deadline();
  proceed();
}

void Execution::handle(Left /*event*/) {
  finish_with(Error{ErrorCode::kCancelled, "the client has left"});
}

void Execution::handle(Closing /*event*/) {
  finish_with(Error{ErrorCode::kUnavailable, "the server is shutting down"});
}

/// Begins stages until one of them has a call under way. False where there is none left to begin, or none
/// that would better what is held.
bool Execution::open_next() {
  while (true) {
    if (next_ == stages_.size()) {
      if (held_ || resorted_ || !core_->policy.last_resort || barred_.empty()) return false;
      resorted_ = true;
      for (const std::string& model : barred_) {
        stages_.push_back({.kind = Step::Kind::kAnswer, .models = {model}, .planned = false, .forced = true});
      }
      remark("no other model is left, so open breakers do not count");
    }
    if (held_ && !worth(stages_[next_])) {
      if (stages_[next_].planned) remark("too little time is left for a better answer");
      return false;
    }
    if (begin(next_++)) return true;
  }
}

/// Whether a stage is worth waiting for when there is an answer already.
bool Execution::worth(const Stage& stage) const {
  if (!stage.planned) return false;
  if (!deadline_) return true;
  const ModelHealth* health = core_->find(stage.models.front());
  if (health == nullptr) return true;
  const auto latency = health->latency.quantiles(core_->timers.now());
  return !latency || latency->p50_ms <= left_ms();
}

bool Execution::begin(std::size_t stage) {
  bool any = false;
  for (const std::string& model : std::vector(stages_[stage].models)) any = ask(model, stage, 1) || any;
  arrange_hedge();
  return any;
}

bool Execution::ask(const std::string& model, std::size_t stage, std::size_t tries) {
  const TimePoint now = core_->timers.now();
  const auto leave_out = [&](const std::string& why) {
    outcome_.attempts.push_back({.model = model, .outcome = "left_out", .detail = why});
    remark(fmt::format("{} was left out: {}", model, why));
    return false;
  };
  ModelHealth* health = core_->find(model);
  if (health == nullptr) {
    errors_.emplace_back(model, Error{ErrorCode::kNotFound, fmt::format("no model \"{}\" is loaded", model)});
    return leave_out("it is not loaded");
  }
  if (const auto off = core_->kill_switch.off(model)) {
    health->count(&ModelCounts::left_out);
    return leave_out(fmt::format("it is turned off ({})", off->why));
  }
  std::optional<CircuitBreaker::Permit> permit;
  if (stages_[stage].forced) {
    permit = health->breaker.force(now);
  } else {
    permit = health->breaker.acquire(now);
  }
  if (!permit) {
    health->count(&ModelCounts::left_out);
    if (tries == 1) barred_.push_back(model);
    return leave_out("its breaker is open");
  }
  TimePoint give_up = now + health->timeout;
  if (deadline_) give_up = std::min(give_up, *deadline_);
  const std::size_t number = calls_.size();
  calls_.push_back(std::make_unique<Call>(Call{.model = model,
                                               .stage = stage,
                                               .attempt = outcome_.attempts.size(),
                                               .tries = tries,
                                               .health = health,
                                               .permit = std::move(*permit),
                                               .started = now,
                                               .give_up = give_up,
                                               .stop = {}}));
  outcome_.attempts.push_back({.model = model, .outcome = "given_up", .detail = {}});
  ++stages_[stage].running;
  health->count(&ModelCounts::calls);
  if (tries > 1) health->count(&ModelCounts::retries);
  core_->models.ask(
      {.model = model, .question = question_, .give_up = give_up, .stop = calls_.back()->stop.get_token()},
      [self = shared_from_this(), number](Result<Answer> answer) {
        self->post(Came{.call = number, .answer = std::move(answer)});
      });
  return true;
}

void Execution::handle(Came event) {
  Call& call = *calls_[event.call];
  if (call.over) return;
  const TimePoint now = core_->timers.now();
  const double took_ms = milliseconds_between(call.started, now);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(now - call.started);
  Result<Answer> answer = check_form(*question_, std::move(event.answer));
  call.over = true;
  --stages_[call.stage].running;
  if (answer) {
    call.permit.succeed(now, took);
    call.health->latency.record(now, took_ms);
    call.health->count(&ModelCounts::answers);
    note(call, "answered", {});
    return answered(call, std::move(*answer));
  }
  const Error& error = answer.error();
  note(call, "failed", error.message);
  const Blame blame = blame_of(error.code);
  if (blame == Blame::kModel) {
    call.permit.fail(now, took, error.message);
    call.health->count(&ModelCounts::errors);
  } else {
    call.permit.withdraw();
    call.health->count(&ModelCounts::refusals);
  }
  if (blame == Blame::kRequest) return finish_with(error);
  if (ask_again(call, error)) return;
  errors_.emplace_back(call.model, error);
  remark(fmt::format("{} failed: {}", call.model, error.message));
  lost(call);
}

/// Asks the same model again where that may help and the budget allows it.
bool Execution::ask_again(const Call& call, const Error& error) {
  if (!may_pass(error.code) || call.tries > core_->policy.retries) return false;
  if (call.health->breaker.snapshot(core_->timers.now()).state != BreakerState::kClosed) return false;
  if (core_->kill_switch.off(call.model) || !core_->retries.take()) return false;
  // The vector of calls may grow.
  return ask(std::string(call.model), call.stage, call.tries + 1);
}

void Execution::answered(Call& call, Answer answer) {
  Stage& stage = stages_[call.stage];
  switch (stage.kind) {
    case Step::Kind::kVote:
      stage.votes.emplace_back(call.model, std::move(answer));
      if (stage.running == 0) conclude_vote(stage);
      return;
    case Step::Kind::kPreview:
      show(call.model, answer);
      hold(call, std::move(answer));
      return proceed();
    case Step::Kind::kIfSure:
      if (plan_.sure(answer)) {
        remark(fmt::format("{} is {:.3g} sure", call.model, answer.sureness()));
        return finish_with(std::move(answer), call.model, /*degraded=*/false);
      }
      outcome_.attempts[call.attempt].outcome = "unsure";
      remark(fmt::format("{} is only {:.3g} sure", call.model, answer.sureness()));
      hold(call, std::move(answer));
      return proceed();
    case Step::Kind::kAnswer:
      if (!stage.planned && planned_running()) {
        hold(call, std::move(answer));
        return proceed();
      }
      const bool degraded = !plan_.accepts(call.model, answer);
      return finish_with(std::move(answer), call.model, degraded);
  }
}

void Execution::show(const std::string& model, const Answer& answer) {
  if (!listener_.on_preview || held_) return;
  {
    const std::lock_guard lock(core_->mutex);
    ++core_->tasks[plan_.task].previews;
  }
  listener_.on_preview(model, answer);
}

/// An answer of a planned model counts for more than one of a model that stands in.
void Execution::hold(const Call& call, Answer answer) {
  const bool planned = stages_[call.stage].planned;
  if (held_ && (held_->planned || !planned)) return;
  held_ = Held{.answer = std::move(answer), .model = call.model, .planned = planned};
}

void Execution::lost(Call& call) {
  Stage& stage = stages_[call.stage];
  if (stage.kind == Step::Kind::kVote && stage.running == 0 && !stage.votes.empty()) {
    return conclude_vote(stage);
  }
  proceed();
}

void Execution::proceed() {
  if (finished_ || running()) return;
  if (open_next()) return;
  if (held_) return finish_held();
  finish_empty();
}

void Execution::handle(Rang event) {
  if (event.number != timer_number_) return;  // of a timer that was put off
  timer_.reset();
  timer_at_ = TimePoint::max();
  const TimePoint now = core_->timers.now();
  if (deadline_ && *deadline_ <= now) return at_deadline();
  const std::size_t count = calls_.size();  // calls that begin meanwhile are not due
  for (std::size_t i = 0; i < count && !finished_; ++i) {
    if (!calls_[i]->over && calls_[i]->give_up <= now) time_out(*calls_[i]);
  }
  if (finished_ || hedge_at_ > now) return;
  hedge_at_ = TimePoint::max();
  if (!held_ && running() && !voted()) {
    remark("time grows short, so the next model is asked beside");
    open_next();
  }
}

void Execution::time_out(Call& call) {
  const TimePoint now = core_->timers.now();
  const std::string why = fmt::format("no answer within {} ms", call.health->timeout.count());
  call.over = true;
  --stages_[call.stage].running;
  call.permit.fail(now, std::chrono::duration_cast<std::chrono::milliseconds>(now - call.started), why);
  call.health->count(&ModelCounts::errors);
  call.health->count(&ModelCounts::timeouts);
  note(call, "timed_out", why);
  errors_.emplace_back(call.model, Error{ErrorCode::kUnavailable, why});
  remark(fmt::format("{} gave {}", call.model, why));
  call.stop.request_stop();
  lost(call);
}

double Execution::left_ms() const {
  return deadline_ ? milliseconds_between(core_->timers.now(), *deadline_)
                   : std::numeric_limits<double>::infinity();
}

/// When the model after this one has to be asked beside it, so that its answer still comes in time: as late
/// as what it took lately allows. Where that would be too early to have given the running model a chance, as
/// soon as that has had what it usually takes. A model without figures is given half of what is left.
void Execution::arrange_hedge() {
  hedge_at_ = TimePoint::max();
  if (!deadline_ || held_ || !running()) return;
  const TimePoint now = core_->timers.now();
  const double left = left_ms();
  double reserve = 0, usual = 0;
  const auto consider = [&](const std::string& model) {
    const ModelHealth* health = core_->find(model);
    if (health == nullptr || core_->kill_switch.off(model)) return;
    const auto latency = health->latency.quantiles(now);
    if (latency && latency->p50_ms > left) return;
    reserve = std::max(reserve, latency ? latency->p95_ms * kReserve : left / 2);
    usual = std::max(usual, latency ? latency->p50_ms * kPatience : left / 2);
  };
  for (std::size_t stage = next_; stage < stages_.size(); ++stage) {
    for (const std::string& model : stages_[stage].models) consider(model);
  }
  if (!resorted_ && core_->policy.last_resort) std::ranges::for_each(barred_, consider);
  if (reserve == 0) return;
  double at = left - reserve;
  for (const auto& call : calls_) {
    if (call->over) continue;
    const auto latency = call->health->latency.quantiles(now);
    if (!latency) continue;
    const double patience = latency->p95_ms * kPatience - milliseconds_between(call->started, now);
    at = std::max(at, std::min(patience, left - usual));
  }
  hedge_at_ = now + nanoseconds(std::max(at, 0.0));
}

/// One timer, for whatever is due first.
void Execution::arrange_timer() {
  if (finished_) return;
  TimePoint due = std::min(hedge_at_, deadline_.value_or(TimePoint::max()));
  for (const auto& call : calls_) {
    if (!call->over) due = std::min(due, call->give_up);
  }
  if (due == timer_at_) return;
  if (timer_) core_->timers.cancel(*timer_);
  timer_.reset();
  timer_at_ = due;
  if (due == TimePoint::max()) return;
  timer_ = core_->timers.schedule(
      due, [self = shared_from_this(), number = ++timer_number_] { self->post(Rang{.number = number}); });
}

}  // namespace fovea::routing
