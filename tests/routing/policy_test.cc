#include "routing/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"

namespace fovea::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::string> kModels{"card-reader-s", "card-reader-m", "pizza-micro-v1", "spatial"};

Result<Policy> made(const std::string& text, const std::map<std::string, double>& thresholds = {},
                    const std::vector<std::string>& models = kModels) {
  const auto config = config::parse_config(text, "f.toml", "/");
  if (!config) return std::unexpected(config.error());
  return Policy::make(config->router, *tasks::builtin_tasks(), models, thresholds);
}
std::string refusal(const std::string& text) {
  const auto policy = made(text);
  if (policy) return "accepted";
  EXPECT_EQ(policy.error().code, ErrorCode::kUsage);
  return policy.error().message;
}

TEST(PolicyTest, WithoutAFileTasksUseTheirOwnModels) {
  const auto policy = made("");
  ASSERT_TRUE(policy) << policy.error().message;
  const TaskPolicy& card = policy->tasks.at("trading-card");
  EXPECT_EQ(card.strategy, Strategy::kSingle) << "without a threshold there is no cascade";
  EXPECT_EQ(card.fast, "card-reader-s");
  EXPECT_EQ(card.accurate, "card-reader-m");
  EXPECT_TRUE(card.accuracy_critical) << "the task says so";
  EXPECT_THAT(card.fallback, ElementsAre("card-reader-m", "card-reader-s"));
  EXPECT_EQ(policy->tasks.at("pizza").accurate, "spatial");
  EXPECT_EQ(policy->models.size(), 4U);
}

TEST(PolicyTest, ACalibratedThresholdMakesACascade) {
  const auto policy = made("", {{"trading-card", 0.83}});
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->tasks.at("trading-card").strategy, Strategy::kCascade);
  EXPECT_EQ(policy->tasks.at("trading-card").threshold, 0.83);
  EXPECT_EQ(policy->tasks.at("pizza").strategy, Strategy::kSingle);
  EXPECT_EQ(made("[router.tasks.trading-card]\nthreshold = 0.5", {{"trading-card", 0.83}})
                ->tasks.at("trading-card")
                .threshold,
            0.5)
      << "the file counts before the calibration";
  EXPECT_EQ(made("[router.tasks.trading-card]\nstrategy = \"single\"", {{"trading-card", 0.83}})
                ->tasks.at("trading-card")
                .strategy,
            Strategy::kSingle);
}

TEST(PolicyTest, AloneAModelAnswersEveryTask) {
  const auto policy = made("", {{"trading-card", 0.83}}, {"smolvlm-500m"});
  ASSERT_TRUE(policy);
  const TaskPolicy& card = policy->tasks.at("trading-card");
  EXPECT_EQ(card.strategy, Strategy::kSingle);
  EXPECT_EQ(card.fast, "smolvlm-500m");
  EXPECT_EQ(card.accurate, "smolvlm-500m");
  EXPECT_THAT(card.models(), ElementsAre("smolvlm-500m"));
}

TEST(PolicyTest, ModelsTakeTheRoutersSettingsUnlessTheyHaveTheirOwn) {
  const auto policy = made(R"(
    [router]
    timeout_ms = 2000
    [router.breaker]
    open_s = 3
    [router.models.spatial]
    timeout_ms = 500
    slow_call_ms = 100
    enabled = false
    [router.models.spatial.breaker]
    window_s = 0.5
  )");
  ASSERT_TRUE(policy) << policy.error().message;
  const ModelPolicy& spatial = policy->models.at("spatial");
  EXPECT_EQ(spatial.timeout.count(), 500);
  EXPECT_FALSE(spatial.enabled);
  EXPECT_EQ(spatial.breaker.window.count(), 500);
  EXPECT_EQ(spatial.breaker.open.count(), 3000);
  EXPECT_EQ(spatial.breaker.slow_call.count(), 100);
  EXPECT_EQ(policy->models.at("card-reader-s").timeout.count(), 2000);
}

TEST(PolicyTest, NamesThePlaceOfWhatDoesNotExist) {
  EXPECT_THAT(refusal("[router.tasks.pasta]\n"),
              StartsWith("f.toml:1:1: [router.tasks.pasta]: expected one of the tasks "));
  EXPECT_THAT(refusal("\n[router.models.gone]\n"), StartsWith("f.toml:2:1: [router.models.gone]: expected"));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nfast = \"gone\"\n"),
              AllOf(StartsWith("f.toml:1:1: [router.tasks.pizza]: expected models that are loaded"),
                    HasSubstr("found \"gone\"")));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nfield_thresholds = { size = 0.5 }\n"),
              HasSubstr("the task has no field \"size\""));
}

TEST(PolicyTest, RefusesAStrategyThatLacksWhatItNeeds) {
  EXPECT_THAT(refusal("[router.tasks.trading-card]\nstrategy = \"cascade\"\n"),
              HasSubstr("cascade needs a threshold"));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nstrategy = \"verify\"\nfast = \"spatial\"\n"),
              HasSubstr("verify needs a fast and an accurate model, found only spatial"));
}

TEST(PolicyTest, AnEnsemblesMembersStandInForOneAnother) {
  const auto policy = made(
      "[router.tasks.pizza]\nstrategy = \"ensemble\"\ncandidates = [\"pizza-micro-v1\", \"spatial\"]\n"
      "fallback = [\"card-reader-s\"]\n");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_THAT(policy->tasks.at("pizza").fallback, ElementsAre("card-reader-s", "pizza-micro-v1", "spatial"));
}

}  // namespace
}  // namespace fovea::routing
