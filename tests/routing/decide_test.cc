#include "routing/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/simulation.h"

namespace fovea::routing {
namespace {

using std::chrono::milliseconds;
using test::policy_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> asked(const Plan& plan) {
  std::vector<std::string> models;
  for (const Step& step : plan.steps) models.insert(models.end(), step.models.begin(), step.models.end());
  return models;
}

LatencyTracker::Quantiles took(double p50, double p95) {
  return {.calls = 50, .p50_ms = p50, .p95_ms = p95};
}

SystemState measured() {
  SystemState state;
  state.models["fast"].latency = took(20, 30);
  state.models["accurate"].latency = took(200, 300);
  return state;
}

/// What the issue calls the pizza rules.
TEST(DecideTest, PizzasGoToTheStandardModelUnderThroughputAndAtTheEdgeOtherwiseToTheSpatialOne) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.tasks["t"].fast = "standard";
  policy.tasks["t"].accurate = "spatial";
  policy.tasks["t"].fallback = {"spatial", "standard"};
  for (const Mode mode : {Mode::kHighThroughput, Mode::kEdge, Mode::kFast}) {
    const Plan plan = decide(policy, {.task = "t", .mode = mode}, {});
    EXPECT_THAT(asked(plan), ElementsAre("standard")) << mode_name(mode);
    EXPECT_EQ(plan.rule, std::string("mode_") + mode_name(mode));
  }
  for (const Mode mode : {Mode::kAuto, Mode::kAccurate}) {
    const Plan plan = decide(policy, {.task = "t", .mode = mode}, {});
    EXPECT_THAT(asked(plan), ElementsAre("spatial")) << mode_name(mode);
    EXPECT_THAT(plan.fallback, ElementsAre("standard"));
  }
}

TEST(DecideTest, ACascadeAsksTheAccurateModelOnlyWhereTheFastOneIsUnsure) {
  const Plan plan = decide(policy_of(Strategy::kCascade), {.task = "t"}, measured());
  EXPECT_EQ(plan.rule, "cascade");
  EXPECT_THAT(asked(plan), ElementsAre("fast", "accurate"));
  EXPECT_EQ(plan.steps[0].kind, Step::Kind::kIfSure);
  EXPECT_THAT(plan.fallback, ElementsAre("third"));
  EXPECT_THAT(plan.why, HasSubstr("0.8"));
}

TEST(DecideTest, APlanAcceptsStoredAnswersThatItWouldHaveGiven) {
  const Plan plan = decide(policy_of(Strategy::kCascade), {.task = "t"}, {});
  const Answer sure{.confidence = {{"value", 0.8}}}, unsure{.confidence = {{"value", 0.79}}};
  EXPECT_TRUE(plan.accepts("fast", sure));
  EXPECT_FALSE(plan.accepts("fast", unsure));
  EXPECT_TRUE(plan.accepts("accurate", unsure));
  EXPECT_FALSE(plan.accepts("third", sure));
  EXPECT_FALSE(decide(policy_of(Strategy::kVerify), {.task = "t"}, {}).accepts("fast", sure));
}

TEST(DecideTest, OneUnsureFieldIsEnoughToEscalate) {
  Plan plan;
  plan.threshold = 0.5;
  plan.field_thresholds = {{"number", 0.9}};
  EXPECT_TRUE(plan.sure({.confidence = {{"name", 0.6}, {"number", 0.95}}}));
  EXPECT_FALSE(plan.sure({.confidence = {{"name", 0.6}, {"number", 0.89}}}));
  EXPECT_FALSE(plan.sure({.confidence = {{"name", 0.6}}})) << "a field without a confidence is not sure";
  EXPECT_FALSE(plan.sure({})) << "nor is an answer without any";
  EXPECT_TRUE(plan.sure({.confidence = {{"number", 0.95}}, .whole = 0.5}));
}

TEST(DecideTest, ProgressivePreviewsWithTheFastModel) {
  const Plan plan = decide(policy_of(Strategy::kSingle), {.task = "t", .mode = Mode::kProgressive}, {});
  EXPECT_EQ(plan.rule, "mode_progressive");
  EXPECT_THAT(asked(plan), ElementsAre("fast", "accurate"));
  EXPECT_EQ(plan.steps[0].kind, Step::Kind::kPreview);
}

TEST(DecideTest, ANamedModelIsAskedAloneAndNobodyStandsInForIt) {
  const Plan plan = decide(policy_of(Strategy::kCascade), {.task = "t", .model = "third"}, {});
  EXPECT_EQ(plan.rule, "model_named");
  EXPECT_THAT(asked(plan), ElementsAre("third"));
  EXPECT_THAT(plan.fallback, IsEmpty());
}

TEST(DecideTest, ADeadlineTooNearForTheAccurateModelGoesToTheFastOne) {
  const Policy policy = policy_of(Strategy::kSingle);
  EXPECT_EQ(decide(policy, {.task = "t", .time_left = milliseconds(301)}, measured()).rule, "single");
  const Plan plan = decide(policy, {.task = "t", .time_left = milliseconds(299)}, measured());
  EXPECT_EQ(plan.rule, "deadline_fast");
  EXPECT_THAT(asked(plan), ElementsAre("fast"));
  EXPECT_THAT(plan.why, HasSubstr("299 ms are left"));
  EXPECT_THAT(plan.why, HasSubstr("300 ms"));
  EXPECT_EQ(decide(policy, {.task = "t", .time_left = milliseconds(1)}, {}).rule, "single")
      << "without figures there is nothing to judge by";
}

TEST(DecideTest, WhereOnlyOneOfTheTwoFitsTheTasksHintsDecideWhich) {
  Policy policy = policy_of(Strategy::kCascade);
  const RequestTraits traits{.task = "t", .time_left = milliseconds(320)};
  EXPECT_EQ(decide(policy, traits, measured()).rule, "deadline_fast");
  policy.tasks["t"].accuracy_critical = true;
  EXPECT_EQ(decide(policy, traits, measured()).rule, "deadline_accurate");
}

TEST(DecideTest, ALongQueueGoesToTheFastModelUnlessAnswersAreCritical) {
  Policy policy = policy_of(Strategy::kCascade);
  policy.tasks["t"].fast_when_queued = 8;
  SystemState state;
  state.queue_depth = 7;
  EXPECT_EQ(decide(policy, {.task = "t"}, state).rule, "cascade");
  state.queue_depth = 8;
  const Plan plan = decide(policy, {.task = "t"}, state);
  EXPECT_EQ(plan.rule, "load_fast");
  EXPECT_THAT(plan.why, HasSubstr("8 requests wait"));
  EXPECT_EQ(decide(policy, {.task = "t", .priority = engine::Priority::kHigh}, state).rule, "cascade");
  policy.tasks["t"].accuracy_critical = true;
  EXPECT_EQ(decide(policy, {.task = "t"}, state).rule, "cascade");
}

TEST(DecideTest, AModelThatDoesNotFitIntoMemoryIsNotLoaded) {
  SystemState state;
  state.free_memory_bytes = 100'000'000;
  state.models["accurate"].needs_bytes = 500'000'000;
  const Plan plan = decide(policy_of(Strategy::kSingle), {.task = "t"}, state);
  EXPECT_EQ(plan.rule, "memory_fast");
  EXPECT_THAT(plan.why, HasSubstr("needs 500 MB, 100 MB are free"));
}

TEST(DecideTest, PictureTraitsDecideWhereThePolicySaysSo) {
  Policy policy = policy_of(Strategy::kCascade);
  const RequestTraits traits{.task = "t", .width = 40, .height = 90, .sharpness = 0.1, .seen_before = true};
  EXPECT_EQ(decide(policy, traits, {}).rule, "cascade") << "off unless set";
  policy.tasks["t"].seen_before_fast = true;
  EXPECT_EQ(decide(policy, traits, {}).rule, "seen_before_fast");
  policy.tasks["t"].small_below_px = 48;
  EXPECT_EQ(decide(policy, traits, {}).rule, "small_fast");
  policy.tasks["t"].blurred_below = 0.2;
  EXPECT_EQ(decide(policy, traits, {}).rule, "blurred_accurate");
}

TEST(DecideTest, AComplexTaskSkipsTheFastModel) {
  Policy policy = policy_of(Strategy::kCascade);
  policy.tasks["t"].complex = true;
  const Plan plan = decide(policy, {.task = "t"}, {});
  EXPECT_EQ(plan.rule, "complex_accurate");
  EXPECT_THAT(plan.fallback, ElementsAre("fast", "third"));
}

TEST(DecideTest, ArmBOfAnExperimentHasTheCandidateAndAKeyStaysInItsArm) {
  Policy policy = policy_of(Strategy::kAb);
  policy.tasks["t"].ab_model = "third";
  policy.tasks["t"].ab_share = 0.5;
  std::map<std::string, int> arms;
  for (int i = 0; i < 1000; ++i) {
    const RequestTraits traits{.task = "t", .key = "client-" + std::to_string(i)};
    const Plan plan = decide(policy, traits, {});
    EXPECT_EQ(plan.arm, decide(policy, traits, {}).arm);
    EXPECT_EQ(plan.rule, "ab");
    EXPECT_THAT(asked(plan), ElementsAre(plan.arm == "b" ? "third" : "accurate"));
    ++arms[plan.arm];
  }
  EXPECT_NEAR(arms["b"], 500, 60);
  EXPECT_EQ(decide(policy, {.task = "t"}, {}).arm, "") << "without a key there is no arm";
}

TEST(DecideTest, AShareOfTheRequestsIsShadowedUnlessTheServerIsBusy) {
  Policy policy = policy_of(Strategy::kShadow);
  policy.tasks["t"].shadow_model = "third";
  policy.tasks["t"].shadow_share = 0.2;
  SystemState busy;
  busy.queue_depth = policy.shadow_max_queued + 1;
  int shadowed = 0;
  for (int i = 0; i < 1000; ++i) {
    const RequestTraits traits{.task = "t", .request_id = std::to_string(i)};
    const Plan plan = decide(policy, traits, {});
    EXPECT_THAT(asked(plan), ElementsAre("accurate")) << "never answered from";
    shadowed += plan.shadow == "third" ? 1 : 0;
    EXPECT_EQ(decide(policy, traits, busy).shadow, "");
  }
  EXPECT_NEAR(shadowed, 200, 40);
}

TEST(DecideTest, SaysWhichModelCannotBeAskedNow) {
  SystemState state;
  state.models["accurate"].unavailable = "its breaker is open";
  const Plan plan = decide(policy_of(Strategy::kSingle), {.task = "t"}, state);
  EXPECT_THAT(plan.why, HasSubstr("accurate is left out now: its breaker is open"));
  EXPECT_EQ(plan.rule, "single") << "it is tried all the same: the breaker may let a probe through";
}

TEST(DecideTest, ATaskWithOneModelHasNothingToChoose) {
  Policy policy = policy_of(Strategy::kSingle);
  policy.tasks["t"].accurate = "fast";
  policy.tasks["t"].fallback = {"fast"};
  for (const Mode mode : {Mode::kAuto, Mode::kFast, Mode::kAccurate, Mode::kProgressive}) {
    const Plan plan = decide(policy, {.task = "t", .mode = mode, .time_left = milliseconds(1)}, measured());
    EXPECT_THAT(asked(plan), ElementsAre("fast"));
    EXPECT_THAT(plan.fallback, IsEmpty());
  }
}

TEST(DecideTest, ModesHaveTheNamesOfTheInterface) {
  for (const char* name : {"auto", "fast", "accurate", "high_throughput", "edge", "progressive"}) {
    ASSERT_TRUE(mode_of(name)) << name;
    EXPECT_STREQ(mode_name(*mode_of(name)), name);
  }
  EXPECT_FALSE(mode_of("quick"));
}

}  // namespace
}  // namespace fovea::routing
