#include "routing/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/simulation.h"

namespace fovea::routing {
namespace {

using std::chrono::milliseconds;
using test::Behaviour;
using test::policy_of;
using test::Simulation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = Behaviour::Kind;

constexpr auto kError = Kind::kError;
constexpr auto kHang = Kind::kHang;

std::vector<std::string> outcomes(const Outcome& outcome) {
  std::vector<std::string> all;
  for (const Attempt& attempt : outcome.attempts) all.push_back(attempt.model + " " + attempt.outcome);
  return all;
}

TEST(RouterTest, GivesTheChosenModelsAnswerAndSaysWhy) {
  Simulation simulation(policy_of(Strategy::kSingle), Simulation::ByModel{});
  const Outcome outcome = simulation.ask();
  ASSERT_TRUE(outcome.answer);
  EXPECT_EQ(outcome.answer->fields["value"], "right");
  EXPECT_EQ(outcome.model, "accurate");
  EXPECT_EQ(outcome.rule, "single");
  EXPECT_EQ(outcome.why, "accurate answers this task");
  EXPECT_FALSE(outcome.degraded);
  EXPECT_THAT(outcomes(outcome), ElementsAre("accurate answered"));
  EXPECT_EQ(outcome.attempts[0].ms, 10);
}

TEST(RouterTest, AnotherModelAnswersDegradedWhereTheChosenOneFails) {
  Simulation simulation(policy_of(Strategy::kSingle), {{"accurate", {.kind = kError}}});
  const Outcome outcome = simulation.ask();
  ASSERT_TRUE(outcome.answer);
  EXPECT_EQ(outcome.model, "fast");
  EXPECT_TRUE(outcome.degraded);
  EXPECT_EQ(outcome.rule, "fallback");
  EXPECT_THAT(outcome.why, HasSubstr("accurate failed: scripted"));
  EXPECT_EQ(simulation.router.figures().tasks["t"].fallbacks, 1U);
}

TEST(RouterTest, AnAnswerOfTheWrongFormIsAFailure) {
  Simulation simulation(policy_of(Strategy::kSingle), {{"accurate", {.kind = Kind::kWrongShape}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "fast");
  EXPECT_THAT(outcome.why, HasSubstr("has not the task's form"));
}

TEST(RouterTest, AModelThatHangsIsStoppedAtItsTimeout) {
  Simulation simulation(policy_of(Strategy::kSingle), {{"accurate", {.kind = kHang}}});
  const auto waiting = simulation.send();
  simulation.timers.run_for(milliseconds(999));
  EXPECT_FALSE(waiting->outcome);
  simulation.timers.run_all();
  EXPECT_EQ(waiting->outcome->model, "fast");
  EXPECT_THAT(outcomes(*waiting->outcome), ElementsAre("accurate timed_out", "fast answered"));
  EXPECT_EQ(simulation.models.under_way(), 0U) << "the stop was requested";
  EXPECT_EQ(simulation.router.figures().models["accurate"].counts.timeouts, 1U);
}

TEST(RouterTest, ACascadeStopsAtASureAnswer) {
  Simulation simulation(policy_of(Strategy::kCascade), {{"fast", {.confidence = 0.81}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "fast");
  EXPECT_EQ(outcome.rule, "cascade");
  EXPECT_THAT(outcome.why, HasSubstr("fast is 0.81 sure"));
  EXPECT_EQ(simulation.models.asked("accurate"), 0U);
}

TEST(RouterTest, ACascadeGoesOnFromAnUnsureAnswer) {
  Simulation simulation(policy_of(Strategy::kCascade), {{"fast", {.confidence = 0.4}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "accurate");
  EXPECT_FALSE(outcome.degraded);
  EXPECT_THAT(outcomes(outcome), ElementsAre("fast unsure", "accurate answered"));
  EXPECT_EQ(simulation.router.figures().tasks["t"].escalated, 1U);
}

TEST(RouterTest, ACascadeWithoutItsAccurateModelGivesTheUnsureAnswerDegraded) {
  Simulation simulation(policy_of(Strategy::kCascade),
                        {{"fast", {.confidence = 0.4}}, {"accurate", {.kind = kError}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "fast");
  EXPECT_TRUE(outcome.degraded);
  EXPECT_EQ(outcome.rule, "cascade");
  EXPECT_EQ(simulation.models.asked("third"), 0U) << "there is an answer already";
}

TEST(RouterTest, ACascadeWithoutItsFastModelIsNotDegraded) {
  Simulation simulation(policy_of(Strategy::kCascade), {{"fast", {.kind = kError}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "accurate");
  EXPECT_FALSE(outcome.degraded) << "it is the answer of the better model";
}

TEST(RouterTest, VerifyShowsTheFastAnswerAndGivesTheAccurateOne) {
  Simulation simulation(policy_of(Strategy::kVerify), {{"accurate", {.latency = milliseconds(100)}}});
  const auto waiting = simulation.send();
  simulation.timers.run_for(milliseconds(10));
  EXPECT_THAT(waiting->previews, ElementsAre("fast"));
  EXPECT_FALSE(waiting->outcome);
  simulation.timers.run_all();
  EXPECT_EQ(waiting->outcome->model, "accurate");
  EXPECT_FALSE(waiting->outcome->degraded);
}

TEST(RouterTest, APreviewThatNobodyConfirmsIsGivenDegraded) {
  Simulation simulation(policy_of(Strategy::kVerify), {{"accurate", {.kind = kError}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "fast");
  EXPECT_TRUE(outcome.degraded);
}

TEST(RouterTest, AnEnsembleVotesAndIsDegradedWhereFewerVote) {
  Simulation::ByModel models{
      {"fast", {.value = "a"}}, {"accurate", {.value = "b"}}, {"third", {.value = "a"}}};
  Simulation all(policy_of(Strategy::kEnsemble), models);
  Outcome outcome = all.ask();
  EXPECT_EQ(outcome.answer->fields["value"], "a");
  EXPECT_EQ(outcome.model, "fast+accurate+third");
  EXPECT_EQ(outcome.rule, "ensemble");
  EXPECT_FALSE(outcome.degraded);
  models["fast"].kind = kError;
  models["third"].kind = kHang;
  Simulation one(policy_of(Strategy::kEnsemble), models);
  outcome = one.ask();
  EXPECT_EQ(outcome.answer->fields["value"], "b");
  EXPECT_EQ(outcome.model, "accurate");
  EXPECT_TRUE(outcome.degraded);
  EXPECT_THAT(outcome.why, HasSubstr("1 of 3 models voted"));
}

TEST(RouterTest, AnEnsembleGivesWhatWasVotedByTheDeadline) {
  Simulation simulation(policy_of(Strategy::kEnsemble), {{"third", {.kind = kHang}}});
  const auto waiting = simulation.send({}, milliseconds(200));
  simulation.timers.run_all();
  EXPECT_EQ(waiting->outcome->model, "fast+accurate");
  EXPECT_TRUE(waiting->outcome->degraded);
}

TEST(RouterTest, AFaultOfTheRequestEndsItAndBlamesNobody) {
  Simulation simulation(policy_of(Strategy::kSingle),
                        {{"accurate", {.kind = kError, .code = ErrorCode::kInvalidImage}}});
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.answer.error().code, ErrorCode::kInvalidImage);
  EXPECT_EQ(simulation.models.asked("fast"), 0U);
  EXPECT_EQ(simulation.router.figures().models["accurate"].breaker.errors, 0U);
}

TEST(RouterTest, AnOverloadedModelIsNotBlamedButAnotherAsked) {
  Simulation simulation(policy_of(Strategy::kSingle),
                        {{"accurate", {.kind = kError, .code = ErrorCode::kOverloaded}}});
  EXPECT_EQ(simulation.ask().model, "fast");
  EXPECT_EQ(simulation.router.figures().models["accurate"].breaker.calls, 0U);
}

TEST(RouterTest, WhereEveryModelFailsTheErrorNamesAllAndOverloadCountsFirst) {
  Simulation simulation(policy_of(Strategy::kSingle),
                        {{"accurate", {.kind = kError}},
                         {"fast", {.kind = kError, .code = ErrorCode::kOverloaded}},
                         {"third", {.kind = kError, .latency = milliseconds(0)}}});
  const Outcome outcome = simulation.ask();
  ASSERT_FALSE(outcome.answer);
  EXPECT_EQ(outcome.answer.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(outcome.answer.error().message, "accurate: scripted; fast: scripted; third: scripted");
  EXPECT_EQ(outcome.model, "");
}

TEST(RouterTest, RetriesAModelWithinTheBudgetBeforeAnotherIsAsked) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.retries = 1;
  policy.retry_burst = 1;
  policy.retry_budget = 0;
  Simulation simulation(policy, [](const Ask& ask, std::size_t number) {
    return Behaviour{.kind = ask.model == "accurate" && number % 2 == 0 ? kError : Kind::kAnswer};
  });
  Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "accurate");
  EXPECT_FALSE(outcome.degraded);
  EXPECT_THAT(outcomes(outcome), ElementsAre("accurate failed", "accurate answered"));
  outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "fast") << "the budget is spent";
  EXPECT_EQ(simulation.router.figures().retries.denied, 1U);
}

TEST(RouterTest, AnAnswerOfTheWrongFormIsNotRetriedBecauseItWouldComeAgain) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.retries = 1;
  Simulation simulation(policy, {{"accurate", {.kind = Kind::kWrongShape}}});
  simulation.ask();
  EXPECT_EQ(simulation.models.asked("accurate"), 1U);
}

class FailingModel : public ::testing::Test {
 protected:
  static Policy policy() {
    Policy policy = policy_of(Strategy::kSingle);
    policy.models["accurate"].breaker = {.window = milliseconds(10'000),
                                         .minimum_calls = 4,
                                         .open = milliseconds(1000),
                                         .half_open_probes = 2};
    return policy;
  }
  bool broken = true;
  Simulation simulation{
      policy(), [this](const Ask& ask, std::size_t) {
        return Behaviour{.kind = ask.model == "accurate" && broken ? kError : Kind::kAnswer};
      }};
};

TEST_F(FailingModel, IsLeftAloneByItsBreakerAndProbedAfterAWhile) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(simulation.ask().model, "fast");
  EXPECT_EQ(simulation.models.asked("accurate"), 4U);
  const Outcome skipped = simulation.ask();
  EXPECT_THAT(outcomes(skipped), ElementsAre("accurate left_out", "fast answered"));
  EXPECT_TRUE(skipped.degraded);
  EXPECT_THAT(skipped.why, HasSubstr("its breaker is open"));
  broken = false;
  simulation.timers.run_for(milliseconds(1000));
  EXPECT_EQ(simulation.ask().model, "accurate");
  EXPECT_EQ(simulation.ask().model, "accurate");
  EXPECT_EQ(simulation.router.figures().models["accurate"].breaker.state, BreakerState::kClosed);
}

TEST_F(FailingModel, CanBeClosedByAnOperator) {
  for (int i = 0; i < 5; ++i) simulation.ask();
  broken = false;
  EXPECT_EQ(simulation.ask().model, "fast");
  ASSERT_TRUE(simulation.router.close_breaker("accurate"));
  EXPECT_EQ(simulation.ask().model, "accurate");
  EXPECT_EQ(simulation.router.close_breaker("gone").error().code, ErrorCode::kNotFound);
}

TEST_F(FailingModel, IsShownInTheSnapshots) {
  for (int i = 0; i < 5; ++i) simulation.ask();
  const auto figures = simulation.router.figures();
  const auto breaker = figures.breakers()["accurate"];
  EXPECT_EQ(breaker["state"], "open");
  EXPECT_EQ(breaker["error_rate"], 1.0);
  EXPECT_EQ(breaker["last_error"], "scripted");
  EXPECT_GT(breaker["opens_for_ms"], 0);
  EXPECT_EQ(breaker["enabled"], true);
  const auto stats = figures.stats();
  EXPECT_EQ(stats["models"]["accurate"]["breaker"], "open");
  EXPECT_EQ(stats["models"]["accurate"]["admits_calls"], false);
  EXPECT_EQ(stats["models"]["accurate"]["errors"], 4);
  EXPECT_EQ(stats["models"]["fast"]["answers"], 5);
  EXPECT_EQ(stats["models"]["fast"]["p50_ms"], 10.0);
  EXPECT_EQ(stats["tasks"]["t"]["degraded"], 5);
}

TEST(RouterTest, WithEveryBreakerOpenModelsAreAskedAllTheSame) {
  Policy policy = policy_of(Strategy::kSingle);
  for (auto& [name, model] : policy.models) model.breaker = {.minimum_calls = 1};
  Simulation simulation(policy, [](const Ask& ask, std::size_t number) {
    return Behaviour{.kind = ask.model != "fast" || number == 0 ? kError : Kind::kAnswer};
  });
  EXPECT_FALSE(simulation.ask().answer);
  const Outcome outcome = simulation.ask();
  EXPECT_EQ(outcome.model, "fast");
  EXPECT_TRUE(outcome.degraded);
  EXPECT_THAT(outcome.why, HasSubstr("open breakers do not count"));
}

TEST(RouterTest, OrRefusedWithTheTimeAfterWhichAnotherTryMayDo) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.last_resort = false;
  for (auto& [name, model] : policy.models) model.breaker = {.minimum_calls = 1, .open = milliseconds(2500)};
  Simulation simulation(
      policy, {{"fast", {.kind = kError}}, {"accurate", {.kind = kError}}, {"third", {.kind = kError}}});
  simulation.ask();
  const Outcome outcome = simulation.ask();
  ASSERT_FALSE(outcome.answer);
  EXPECT_EQ(outcome.answer.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(outcome.retry_after_s, 3);
}

TEST(RouterTest, AModelThatIsTurnedOffIsNeverAsked) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.models["third"].enabled = false;
  Simulation simulation(policy, {{"fast", {.kind = kError}}});
  ASSERT_TRUE(simulation.router.turn_off("accurate", "it invents names"));
  Outcome outcome = simulation.ask();
  EXPECT_FALSE(outcome.answer);
  EXPECT_THAT(outcome.why, HasSubstr("accurate was left out: it is turned off (it invents names)"));
  EXPECT_EQ(simulation.models.asked("third"), 0U);
  EXPECT_EQ(simulation.router.figures().breakers()["accurate"]["off_why"], "it invents names");
  ASSERT_TRUE(simulation.router.turn_on("accurate"));
  EXPECT_EQ(simulation.ask().model, "accurate");
  EXPECT_EQ(simulation.router.turn_off("gone", "").error().code, ErrorCode::kNotFound);
}

TEST(RouterTest, AClientThatLeavesStopsItsCalls) {
  Simulation simulation(policy_of(Strategy::kSingle), {{"accurate", {.kind = kHang}}});
  const auto waiting = simulation.send();
  EXPECT_EQ(simulation.models.under_way(), 1U);
  waiting->stop.request_stop();
  ASSERT_TRUE(waiting->outcome);
  EXPECT_EQ(waiting->outcome->answer.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(simulation.models.under_way(), 0U);
  EXPECT_EQ(simulation.timers.waiting(), 0U);
  EXPECT_EQ(simulation.models.asked("fast"), 0U);
}

TEST(RouterTest, AClientThatHasLeftAlreadyCostsNothing) {
  Simulation simulation(policy_of(Strategy::kSingle), Simulation::ByModel{});
  std::stop_source gone;
  gone.request_stop();
  std::size_t done = 0;
  simulation.router.execute(simulation.router.decide({.task = "t"}, {}), {}, {}, gone.get_token(),
                            {.on_preview = {}, .on_done = [&](Outcome outcome) {
                               ++done;
                               EXPECT_EQ(outcome.answer.error().code, ErrorCode::kCancelled);
                             }});
  EXPECT_EQ(done, 1U);
  EXPECT_THAT(simulation.models.order(), IsEmpty());
}

TEST(RouterTest, NearTheDeadlineAnotherModelIsAskedBesideTheOneThatHangs) {
  Policy policy = policy_of(Strategy::kSingle);
  Simulation simulation(policy, [](const Ask& ask, std::size_t number) {
    return Behaviour{.kind = ask.model == "accurate" && number > 0 ? kHang : Kind::kAnswer,
                     .latency = milliseconds(ask.model == "accurate" ? 100 : 40)};
  });
  simulation.ask();
  simulation.ask({.mode = Mode::kFast});
  const auto waiting = simulation.send({}, milliseconds(300));
  simulation.timers.run_all();
  EXPECT_EQ(waiting->outcome->model, "fast");
  EXPECT_TRUE(waiting->outcome->degraded);
  EXPECT_THAT(outcomes(*waiting->outcome), ElementsAre("accurate given_up", "fast answered"));
  EXPECT_EQ(simulation.router.figures().models["accurate"].breaker.errors, 1U)
      << "it had three times what is usual";
}

TEST(RouterTest, TheModelThatWasSlowStillWinsWhereItAnswersInTime) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.tasks["t"].fallback = {"accurate", "fast"};
  Simulation simulation(policy, [](const Ask& ask, std::size_t number) {
    return Behaviour{.latency = milliseconds(ask.model == "fast" ? 40 : number == 0 ? 100 : 290)};
  });
  simulation.ask();
  simulation.ask({.mode = Mode::kFast});
  const Outcome outcome = simulation.ask({}, milliseconds(300));
  EXPECT_EQ(outcome.model, "accurate");
  EXPECT_FALSE(outcome.degraded);
  EXPECT_EQ(simulation.models.asked("fast"), 2U);
}

TEST(RouterTest, WhereNoModelAnswersInTimeTheDeadlineIsKept) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.deadline_margin = milliseconds(5);
  Simulation simulation(
      policy, {{"accurate", {.kind = kHang}}, {"fast", {.kind = kHang}}, {"third", {.kind = kHang}}});
  const auto waiting = simulation.send({}, milliseconds(100));
  const TimePoint sent = simulation.timers.now();
  simulation.timers.run_all();
  EXPECT_EQ(waiting->outcome->answer.error().code, ErrorCode::kDeadline);
  EXPECT_EQ(waiting->ended - sent, milliseconds(95));
}

TEST(RouterTest, ATightDeadlineOfAClientDoesNotOpenBreakers) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.models["accurate"].breaker.minimum_calls = 2;
  Simulation simulation(policy, {{"accurate", {.latency = milliseconds(100)}}});
  for (int i = 0; i < 20; ++i) simulation.ask({}, milliseconds(1));
  EXPECT_EQ(simulation.router.figures().models["accurate"].breaker.state, BreakerState::kClosed);
}

TEST(RouterTest, WithTooLittleTimeForTheAccurateModelTheUnsureAnswerIsGivenAtOnce) {
  Policy policy = policy_of(Strategy::kCascade);
  Simulation simulation(policy, [](const Ask& ask, std::size_t number) {
    return Behaviour{.latency = milliseconds(ask.model == "accurate" ? 200
                                             : number == 0           ? 10
                                                                     : 150),
                     .confidence = 0.3};
  });
  simulation.ask();
  const auto waiting = simulation.send({}, milliseconds(300));
  const TimePoint sent = simulation.timers.now();
  simulation.timers.run_all();
  EXPECT_TRUE(waiting->outcome->answer);
  EXPECT_LE(waiting->ended - sent, milliseconds(300));
}

TEST(RouterTest, AShadowCallIsComparedAndNeverAnswersOrDelays) {
  Policy policy = policy_of(Strategy::kShadow);
  policy.tasks["t"].shadow_model = "third";
  policy.tasks["t"].shadow_share = 1;
  policy.tasks["t"].fallback = {"fast"};
  Simulation simulation(policy, {{"third", {.latency = milliseconds(500), .value = "other"}}});
  const auto waiting = simulation.send();
  simulation.timers.run_for(milliseconds(10));
  EXPECT_EQ(waiting->outcome->model, "accurate");
  const auto second = simulation.send();
  simulation.timers.run_all();
  EXPECT_EQ(second->outcome->model, "accurate");
  const auto figures = simulation.router.figures();
  const ShadowFigures& shadow = figures.shadows.at({"t", "third"});
  EXPECT_EQ(shadow.started, 1U);
  EXPECT_EQ(shadow.skipped, 1U) << "one was under way already";
  EXPECT_EQ(shadow.compared, 1U);
  EXPECT_EQ(shadow.same, 0U);
  EXPECT_EQ(figures.stats()["shadow"][0]["candidate"], "third");
  EXPECT_EQ(figures.in_flight, 0U);
}

TEST(RouterTest, AShadowCallThatHangsIsStoppedAndCounted) {
  Policy policy = policy_of(Strategy::kShadow);
  policy.tasks["t"].shadow_model = "third";
  policy.tasks["t"].shadow_share = 1;
  Simulation simulation(policy, {{"third", {.kind = kHang}}});
  simulation.ask();
  EXPECT_EQ(simulation.router.figures().shadows.at({"t", "third"}).failed, 1U);
  EXPECT_EQ(simulation.models.under_way(), 0U);
}

TEST(RouterTest, AModelThatAnswersAtOnceIsNothingSpecial) {
  Simulation simulation(policy_of(Strategy::kCascade),
                        {{"fast", {.latency = milliseconds(0), .confidence = 0.1}},
                         {"accurate", {.kind = kError, .latency = milliseconds(0)}}});
  const auto waiting = simulation.send();
  ASSERT_TRUE(waiting->outcome) << "before execute() returned";
  EXPECT_EQ(waiting->outcome->model, "fast");
  EXPECT_EQ(waiting->done, 1U);
}

TEST(RouterTest, ClosingAnswersWhatIsUnderWay) {
  test::SimulatedTimers timers;
  test::ScriptedModels models(timers, [](const Ask&, std::size_t) { return Behaviour{.kind = kHang}; });
  std::optional<Outcome> ended;
  {
    Router router(policy_of(Strategy::kSingle), models, timers);
    router.execute(router.decide({.task = "t"}, {}), {}, {}, {},
                   {.on_preview = {}, .on_done = [&](Outcome outcome) { ended = std::move(outcome); }});
  }
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->answer.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(models.under_way(), 0U);
}

TEST(RouterTest, TellsOfBreakersThatChange) {
  test::SimulatedTimers timers;
  test::ScriptedModels models(timers, [](const Ask&, std::size_t) { return Behaviour{.kind = kError}; });
  Policy policy = policy_of(Strategy::kSingle);
  policy.models["accurate"].breaker.minimum_calls = 1;
  std::vector<std::string> told;
  Router router(policy, models, timers, [&](const std::string& model, const CircuitBreaker::Change& change) {
    told.push_back(model + " " + state_name(change.to) + ": " + change.why);
  });
  router.execute(router.decide({.task = "t"}, {}), {}, {}, {}, {.on_preview = {}, .on_done = [](Outcome) {}});
  timers.run_all();
  EXPECT_THAT(told, ElementsAre("accurate open: 1 of the last 1 calls failed; the latest: scripted"));
}

}  // namespace
}  // namespace fovea::routing
