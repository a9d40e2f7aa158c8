#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "routing/simulation.h"

// Whatever models do, and in whatever order: every request that a model of its plan could answer is answered,
// each exactly once, degraded only where it has to be. Faults, policies and arrivals are random, by seed, on
// a simulated clock.

namespace fovea::routing {
namespace {

using test::Behaviour;
using test::milliseconds;
using test::Simulation;
using Kind = Behaviour::Kind;

constexpr std::array<const char*, 3> kModels{"fast", "accurate", "third"};
constexpr milliseconds kTimeout{400};

/// What each model does with one request, however often it is asked.
using Fate = std::map<std::string, Behaviour>;

struct World {
  Policy policy;
  std::vector<Fate> fates;  // of each request
  std::set<std::string> off;
  bool steady = false;  // each model always takes the same time

  [[nodiscard]] bool can_answer(std::size_t request, const std::string& model) const {
    return fates[request].at(model).kind == Kind::kAnswer && !off.contains(model);
  }
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(engine_); }
  bool chance(double share) { return std::uniform_real_distribution<double>(0, 1)(engine_) < share; }

 private:
  std::mt19937 engine_;
};

Behaviour random_behaviour(Random& random, double faulty) {
  Behaviour behaviour{.latency = milliseconds(random.below(50)), .confidence = random.below(100) / 100.0};
  if (!random.chance(faulty)) return behaviour;
  switch (random.below(4)) {
    case 0:
      behaviour.kind = Kind::kError;
      break;
    case 1:
      behaviour.kind = Kind::kError;
      behaviour.code = ErrorCode::kOverloaded;
      break;
    case 2:
      behaviour.kind = Kind::kHang;
      break;
    default:
      behaviour.kind = Kind::kWrongShape;
  }
  return behaviour;
}

World random_world(Random& random, std::size_t requests) {
  constexpr std::array kStrategies{Strategy::kSingle,   Strategy::kCascade, Strategy::kVerify,
                                   Strategy::kEnsemble, Strategy::kShadow,  Strategy::kAb};
  World world{.policy = test::policy_of(kStrategies[static_cast<std::size_t>(random.below(6))]),
              .fates = {},
              .off = {},
              .steady = false};
  Policy& policy = world.policy;
  policy.retries = static_cast<std::size_t>(random.below(3));
  policy.retry_burst = 3;
  policy.shadow_max_queued = 1000;
  TaskPolicy& task = policy.tasks["t"];
  if (task.strategy == Strategy::kShadow) {
    task.shadow_model = "third";
    task.shadow_share = 0.5;
  }
  if (task.strategy == Strategy::kAb) {
    task.ab_model = "third";
    task.ab_share = 0.5;
  }
  for (auto& [name, model] : policy.models) {
    model.timeout = kTimeout;
    model.breaker = {.window = milliseconds(500 + random.below(2000)),
                     .minimum_calls = static_cast<std::size_t>(1 + random.below(6)),
                     .error_rate = 0.3,
                     .slow_call_rate = 0.9,
                     .slow_call = milliseconds(random.below(2) * 45),
                     .open = milliseconds(100 + random.below(2000)),
                     .half_open_probes = static_cast<std::size_t>(1 + random.below(3))};
  }
  for (const char* model : kModels) {
    if (random.chance(0.1)) world.off.insert(model);
  }
  const double faulty = random.below(10) / 10.0;
  world.steady = random.chance(0.5);
  std::map<std::string, milliseconds> usual;
  for (const char* model : kModels) usual[model] = milliseconds(1 + random.below(50));
  for (std::size_t i = 0; i < requests; ++i) {
    Fate& fate = world.fates.emplace_back();
    for (const char* model : kModels) {
      fate[model] = random_behaviour(random, faulty);
      if (world.steady) fate[model].latency = usual[model];
    }
  }
  return world;
}

/// A world at work: sends requests, lets some clients leave, and watches what must never happen.
class Course {
 public:
  Course(unsigned seed, std::size_t requests)
      : random_(seed),
        world_(random_world(random_, requests)),
        models_(timers_, [this](const Ask& ask, std::size_t) { return behave(ask); }),
        router_(world_.policy, models_, timers_,
                [this](const std::string& model, const CircuitBreaker::Change& change) {
                  watch(model, change);
                }) {
    for (const std::string& model : world_.off) EXPECT_TRUE(router_.turn_off(model, "by chance"));
  }

  struct Sent {
    std::size_t number;
    Plan plan;
    std::optional<milliseconds> deadline;
    bool leaves = false;
    std::stop_source stop;
    TimePoint at, ended;
    std::size_t done = 0, previews = 0;
    std::optional<Outcome> outcome;
  };

  /// `deadline`: of requests that have one; none: no request has.
  void all(std::optional<milliseconds> deadline, bool clients_leave) {
    for (std::size_t i = 0; i < world_.fates.size(); ++i) {
      send(i, deadline, clients_leave && random_.chance(0.1));
      timers_.run_for(milliseconds(random_.below(40)));
    }
    timers_.run_all();
  }

  void check() {
    std::size_t degraded = 0;
    for (const auto& sent : sent_) {
      SCOPED_TRACE(fmt::format("request {}: {}", sent->number, describe(*sent)));
      ASSERT_EQ(sent->done, 1U);
      check_one(*sent);
      degraded += sent->outcome->answer && sent->outcome->degraded ? 1 : 0;
      if (::testing::Test::HasFailure()) return;
    }
    check_books(degraded);
  }

 private:
  Behaviour behave(const Ask& ask) {
    EXPECT_FALSE(world_.off.contains(ask.model)) << "a model that is turned off was asked";
    const auto number = *static_cast<const std::size_t*>(ask.question->subject.get());
    return world_.fates[number].at(ask.model);
  }

  void watch(const std::string& model, const CircuitBreaker::Change& change) {
    const auto at = states_.try_emplace(model, BreakerState::kClosed).first;
    EXPECT_EQ(change.from, at->second) << model;
    const bool legal = (change.from == BreakerState::kClosed && change.to == BreakerState::kOpen) ||
                       (change.from == BreakerState::kOpen && change.to == BreakerState::kHalfOpen) ||
                       (change.from == BreakerState::kHalfOpen && change.to != BreakerState::kHalfOpen);
    EXPECT_TRUE(legal) << state_name(change.from) << " to " << state_name(change.to);
    at->second = change.to;
  }

  void send(std::size_t number, std::optional<milliseconds> deadline, bool leaves) {
    constexpr std::array kRequestModes{Mode::kAuto, Mode::kAuto, Mode::kFast, Mode::kAccurate,
                                       Mode::kProgressive};
    const RequestTraits traits{.task = "t",
                               .mode = kRequestModes[static_cast<std::size_t>(random_.below(5))],
                               .time_left = deadline,
                               .request_id = std::to_string(number),
                               .key = std::to_string(random_.below(50))};
    auto sent = std::make_shared<Sent>(Sent{.number = number,
                                            .plan = router_.decide(traits, {}),
                                            .deadline = deadline,
                                            .leaves = leaves,
                                            .stop = {},
                                            .at = timers_.now(),
                                            .ended = {},
                                            .outcome = {}});
    sent_.push_back(sent);
    Question question{.task = &test::task_of_one_field(),
                      .subject = std::make_shared<const std::size_t>(number)};
    router_.execute(sent->plan, std::move(question),
                    deadline ? std::optional(timers_.now() + *deadline) : std::nullopt,
                    sent->stop.get_token(),
                    {.on_preview =
                         [sent](const std::string&, const Answer&) {
                           EXPECT_EQ(sent->done, 0U);
                           ++sent->previews;
                         },
                     .on_done =
                         [this, sent](Outcome outcome) {
                           ++sent->done;
                           sent->ended = timers_.now();
                           sent->outcome = std::move(outcome);
                         }});
    if (leaves) {
      timers_.schedule(timers_.now() + milliseconds(random_.below(100)),
                       [sent] { sent->stop.request_stop(); });
    }
  }

  [[nodiscard]] std::vector<std::string> planned(const Sent& sent) const {
    std::vector<std::string> models = sent.plan.fallback;
    for (const Step& step : sent.plan.steps)
      models.insert(models.end(), step.models.begin(), step.models.end());
    return models;
  }

  [[nodiscard]] std::string describe(const Sent& sent) const {
    std::string text = fmt::format("rule {}, ", sent.plan.rule);
    for (const auto& [model, behaviour] : world_.fates[sent.number]) {
      text +=
          fmt::format("{} {} {} ms, ", model, static_cast<int>(behaviour.kind), behaviour.latency.count());
    }
    return sent.outcome ? text + sent.outcome->why : text;
  }

  void check_one(const Sent& sent) const {
    const Outcome& outcome = *sent.outcome;
    const std::vector<std::string> models = planned(sent);
    const bool could = std::ranges::any_of(
        models, [&](const std::string& model) { return world_.can_answer(sent.number, model); });
    EXPECT_LE(sent.previews, 1U);
    if (sent.deadline) {
      EXPECT_LE(sent.ended - sent.at, *sent.deadline);
    }
    if (!outcome.answer) {
      EXPECT_EQ(outcome.model, "");
      if (sent.leaves && outcome.answer.error().code == ErrorCode::kCancelled) return;
      // Where a model may take much longer than it did lately, nobody can tell when to give up on another.
      if (sent.deadline && !world_.steady) return;
      EXPECT_FALSE(could) << "a model could have answered; " << outcome.answer.error().message;
      return;
    }
    EXPECT_TRUE(could);
    EXPECT_EQ(outcome.answer->fields["value"], "right");
    EXPECT_EQ(outcome.degraded, should_be_degraded(sent)) << outcome.model;
    const bool stood_in = std::ranges::find(sent.plan.fallback, outcome.model) != sent.plan.fallback.end();
    EXPECT_EQ(outcome.rule, stood_in ? "fallback" : sent.plan.rule);
  }

  /// By the definition in the documentation: the answer is not the one the plan is after.
  [[nodiscard]] bool should_be_degraded(const Sent& sent) const {
    const Outcome& outcome = *sent.outcome;
    const Step& last = sent.plan.steps.back();
    if (last.kind == Step::Kind::kVote) {
      const auto voters = 1 + std::ranges::count(outcome.model, '+');
      return voters < static_cast<std::ptrdiff_t>(last.models.size());
    }
    if (outcome.model == last.models.front()) return false;
    const bool sure = world_.fates[sent.number].at(outcome.model).confidence >= sent.plan.threshold;
    const Step& first = sent.plan.steps.front();
    return !(first.kind == Step::Kind::kIfSure && outcome.model == first.models.front() && sure);
  }

  void check_books(std::size_t degraded) {
    EXPECT_EQ(models_.under_way(), 0U) << "a call was left running";
    EXPECT_EQ(timers_.waiting(), 0U);
    const RouterFigures figures = router_.figures();
    EXPECT_EQ(figures.in_flight, 0U);
    std::uint64_t asked = 0;
    for (const auto& [name, model] : figures.models) {
      const ModelCounts& counts = model.counts;
      EXPECT_EQ(counts.calls, counts.answers + counts.errors + counts.refusals + counts.given_up) << name;
      EXPECT_EQ(counts.calls, models_.asked(name)) << name;
      asked += counts.retries;
    }
    EXPECT_LE(asked, figures.retries.retries);
    EXPECT_LE(static_cast<double>(figures.retries.retries),
              3 + world_.policy.retry_budget * static_cast<double>(figures.retries.requests));
    const TaskCounts& task = figures.tasks.at("t");
    EXPECT_EQ(task.requests, sent_.size());
    EXPECT_EQ(task.requests, task.answered + task.failed + task.cancelled);
    EXPECT_EQ(task.degraded, degraded);
  }

  Random random_;
  const World world_;
  test::SimulatedTimers timers_;
  test::ScriptedModels models_;
  std::map<std::string, BreakerState> states_;
  Router router_;
  std::vector<std::shared_ptr<Sent>> sent_;
};

TEST(RouterPropertyTest, EveryRequestThatAModelCouldAnswerIsAnsweredOnceAndDegradedOnlyWhereItHasToBe) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Course course(seed, 60);
    course.all({}, /*clients_leave=*/seed % 2 == 1);
    course.check();
    if (HasFailure()) return;
  }
}

// Timeouts are longer than the deadline, so that only asking a second model beside the first one saves the
// request. Where each model always takes about the same, eight times what the slowest takes is enough for all
// three.
TEST(RouterPropertyTest, WithADeadlineToo) {
  for (unsigned seed = 1000; seed < 1400; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Course course(seed, 60);
    course.all(kTimeout - milliseconds(1), /*clients_leave=*/false);
    course.check();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fovea::routing
