#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "routing/call.h"
#include "routing/policy.h"
#include "routing/router.h"
#include "routing/tasks.h"

// A clock that is moved by hand, and models that do what a script says: everything is on one thread, and the
// same every time.

namespace fovea::routing::test {

using std::chrono::milliseconds;

class SimulatedTimers : public Timers {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  Id schedule(TimePoint when, std::move_only_function<void()> function) override {
    const Id id{std::max(when, now_), next_++};
    waiting_.emplace(id, std::move(function));
    return id;
  }
  void cancel(const Id& id) override { waiting_.erase(id); }

  /// Calls what is due until `when`, each at its time.
  void run_until(TimePoint when) {
    while (!waiting_.empty() && waiting_.begin()->first.first <= when) {
      auto first = waiting_.extract(waiting_.begin());
      now_ = std::max(now_, first.key().first);
      first.mapped()();
    }
    now_ = std::max(now_, when);
  }
  void run_for(milliseconds time) { run_until(now_ + time); }
  /// Until nothing waits any more.
  void run_all() {
    while (!waiting_.empty()) run_until(waiting_.begin()->first.first);
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  TimePoint now_{std::chrono::hours(1)};
  std::uint64_t next_ = 0;
  std::map<Id, std::move_only_function<void()>> waiting_;
};

/// What a model does with one call.
struct Behaviour {
  enum class Kind { kAnswer, kError, kHang, kWrongShape } kind = Kind::kAnswer;
  milliseconds latency{10};  ///< 0: before ask() returns
  double confidence = 0.9;
  std::string value = "right";
  ErrorCode code = ErrorCode::kInternal;
};

inline Answer answer_of(const Behaviour& behaviour) {
  return {.fields = {{"value", behaviour.value}}, .confidence = {{"value", behaviour.confidence}}};
}

class ScriptedModels : public ModelCall {
 public:
  /// By model and number of its call, from 0.
  using Script = std::function<Behaviour(const Ask& ask, std::size_t number)>;

  ScriptedModels(SimulatedTimers& timers, Script script) : timers_(timers), script_(std::move(script)) {}

  void ask(Ask ask, Done done) override {
    const Behaviour behaviour = script_(ask, asked_[ask.model]++);
    order_.push_back(ask.model);
    auto pending = std::make_shared<Pending>();
    pending->models = this;
    pending->done = std::move(done);
    ++under_way_;
    most_under_way_ = std::max(most_under_way_, under_way_);
    if (behaviour.kind != Behaviour::Kind::kHang && behaviour.latency.count() == 0) {
      return pending->end(result(behaviour));
    }
    pending->stopped.emplace(ask.stop, [weak = std::weak_ptr(pending)] {
      if (const auto self = weak.lock()) self->end(fail(ErrorCode::kCancelled, "stopped"));
    });
    if (behaviour.kind == Behaviour::Kind::kHang) {
      hanging_.push_back(pending);
    } else {
      timers_.schedule(timers_.now() + behaviour.latency,
                       [pending, answer = result(behaviour)]() mutable { pending->end(std::move(answer)); });
    }
  }

  [[nodiscard]] std::size_t asked(const std::string& model) const {
    const auto found = asked_.find(model);
    return found == asked_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::size_t under_way() const { return under_way_; }
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }

 private:
  struct Pending {
    ScriptedModels* models = nullptr;
    Done done;
    std::optional<std::stop_callback<std::function<void()>>> stopped;

    void end(Result<Answer> answer) {
      if (!done) return;
      Done last = std::exchange(done, nullptr);
      --models->under_way_;
      last(std::move(answer));
    }
  };
  static Result<Answer> result(const Behaviour& behaviour) {
    switch (behaviour.kind) {
      case Behaviour::Kind::kError:
        return fail(behaviour.code, "scripted");
      case Behaviour::Kind::kWrongShape:
        return Answer{.fields = {{"other", 1}}};
      default:
        return answer_of(behaviour);
    }
  }

  SimulatedTimers& timers_;
  const Script script_;
  std::map<std::string, std::size_t> asked_;
  std::vector<std::string> order_;
  std::vector<std::shared_ptr<Pending>> hanging_;
  std::size_t under_way_ = 0, most_under_way_ = 0;
};

/// A policy for the task "t" with models "fast", "accurate" and "third", without margins.
inline Policy policy_of(Strategy strategy) {
  Policy policy;
  policy.deadline_margin = milliseconds(0);
  policy.retries = 0;
  for (const char* name : {"fast", "accurate", "third"}) {
    policy.models[name] = {.timeout = milliseconds(1000), .breaker = {}};
  }
  TaskPolicy& task = policy.tasks["t"];
  task.task = "t";
  task.strategy = strategy;
  task.fast = "fast";
  task.accurate = "accurate";
  task.threshold = 0.8;
  task.fallback = {"accurate", "fast", "third"};
  if (strategy == Strategy::kEnsemble) task.members = {"fast", "accurate", "third"};
  return policy;
}

/// A router on the simulated clock, and requests to it.
class Simulation {
 public:
  using ByModel = std::map<std::string, Behaviour>;

  Simulation(Policy policy, ScriptedModels::Script script)
      : models(timers, std::move(script)), router(std::move(policy), models, timers) {}
  Simulation(Policy policy, ByModel behaviours)
      : Simulation(std::move(policy), [behaviours = std::move(behaviours)](const Ask& ask, std::size_t) {
          const auto found = behaviours.find(ask.model);
          return found == behaviours.end() ? Behaviour{} : found->second;
        }) {}

  struct Waiting {
    std::optional<Outcome> outcome;
    std::size_t done = 0;
    std::vector<std::string> previews;
    std::stop_source stop;
    TimePoint ended;
  };

  std::shared_ptr<Waiting> send(RequestTraits traits = {}, std::optional<milliseconds> deadline = {}) {
    traits.task = "t";
    traits.time_left = deadline;
    auto waiting = std::make_shared<Waiting>();
    const auto until = deadline ? std::optional(timers.now() + *deadline) : std::nullopt;
    router.execute(router.decide(traits, load), {.task = &task_of_one_field()}, until,
                   waiting->stop.get_token(),
                   {.on_preview = [waiting](const std::string& model,
                                            const Answer&) { waiting->previews.push_back(model); },
                    .on_done =
                        [this, waiting](Outcome outcome) {
                          ++waiting->done;
                          waiting->ended = timers.now();
                          waiting->outcome = std::move(outcome);
                        }});
    return waiting;
  }
  Outcome ask(RequestTraits traits = {}, std::optional<milliseconds> deadline = {}) {
    const auto waiting = send(std::move(traits), deadline);
    timers.run_all();
    return waiting->outcome.value_or(Outcome{});
  }

  SimulatedTimers timers;
  ScriptedModels models;
  Load load;
  Router router;
};

}  // namespace fovea::routing::test
