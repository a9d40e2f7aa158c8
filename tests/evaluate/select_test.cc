#include "evaluate/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <toml++/toml.h>

#include "evaluate/matrix_fixture.h"

namespace fovea::evaluate {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Selection choose(const Matrix& matrix, const std::vector<std::string>& texts,
                 Preference preference = Preference::kAccuracy) {
  std::vector<Requirement> requirements;
  for (const std::string& text : texts) {
    requirements.push_back(parse_requirement(text, metrics_of(matrix)).value());
  }
  return select(matrix, std::move(requirements), preference);
}

std::string name(const Matrix& matrix, const std::optional<Choice>& choice) {
  return choice ? matrix.variants[choice->variant].name : "";
}

Matrix three_models() {
  return make_matrix(
      {{.model = "large", .right = 92, .p95_ms = 900, .memory_bytes = 900'000'000},
       {.model = "middle", .right = 85, .p95_ms = 300, .memory_bytes = 400'000'000},
       {.model = "small", .right = 70, .p95_ms = 20, .memory_bytes = 100'000'000, .file_bytes = 7'000'000}});
}

TEST(SelectTest, ThePreferenceDecidesAmongThoseThatMeetEverything) {
  const Matrix matrix = three_models();
  EXPECT_EQ(name(matrix, choose(matrix, {"accuracy>=0.6"}).primary), "large:f32");
  EXPECT_EQ(name(matrix, choose(matrix, {"accuracy>=0.6"}, Preference::kLatency).primary), "small:f32");
  EXPECT_EQ(name(matrix, choose(matrix, {"accuracy>=0.6"}, Preference::kSize).primary), "small:f32");
  EXPECT_EQ(name(matrix, choose(matrix, {"accuracy>=0.8"}, Preference::kLatency).primary), "middle:f32");
  EXPECT_EQ(name(matrix, choose(matrix, {}).primary), "large:f32");
}

TEST(SelectTest, TheFallbackIsTheFastestOtherModelThatMeetsEverything) {
  const Matrix matrix = three_models();
  const auto selection = choose(matrix, {"accuracy>=0.8", "latency_p95<=3s"});
  EXPECT_EQ(name(matrix, selection.fallback), "middle:f32");
  EXPECT_EQ(selection.outcomes[2].role, "");
  EXPECT_THAT(selection.outcomes[2].why, HasSubstr("accuracy 70.0 %, required at least 80.0 %"));
}

TEST(SelectTest, AnotherModelComesBeforeAnotherTypeOfThePrimary) {
  const Matrix matrix = make_matrix({{.model = "large", .dtype = "bf16", .right = 92, .p95_ms = 900},
                                     {.model = "large", .dtype = "int8", .right = 91, .p95_ms = 100},
                                     {.model = "middle", .right = 85, .p95_ms = 300}});
  EXPECT_EQ(name(matrix, choose(matrix, {}).fallback), "middle:f32");
  const auto strict = choose(matrix, {"accuracy>=0.9"});
  EXPECT_EQ(name(matrix, strict.fallback), "large:int8");
  EXPECT_THAT(strict.fallback->why, HasSubstr("of the same model as the primary"));
}

TEST(SelectTest, WithOneThatFitsThereIsNoFallback) {
  const Matrix matrix = three_models();
  const auto selection = choose(matrix, {"accuracy>=0.9"});
  EXPECT_EQ(name(matrix, selection.primary), "large:f32");
  EXPECT_FALSE(selection.fallback.has_value());
  EXPECT_THAT(selection.primary->why, HasSubstr("the only one"));
  EXPECT_THAT(selection.to_table(matrix), HasSubstr("fallback  none"));
}

TEST(SelectTest, TiesGoToTheFasterThenTheSmallerThenTheName) {
  const Matrix faster = make_matrix({{.model = "a", .p95_ms = 100}, {.model = "b", .p95_ms = 90}});
  EXPECT_EQ(name(faster, choose(faster, {}).primary), "b:f32");
  const Matrix smaller = make_matrix({{.model = "a"}, {.model = "b", .file_bytes = 19'000'000}});
  EXPECT_EQ(name(smaller, choose(smaller, {}).primary), "b:f32");
  const Matrix equal = make_matrix({{.model = "b"}, {.model = "a"}});
  EXPECT_EQ(name(equal, choose(equal, {}).primary), "a:f32");
}

TEST(SelectTest, ARejectionNamesTheRequirementOrWhatDominates) {
  const Matrix matrix = make_matrix({{.model = "best", .right = 90, .p95_ms = 50},
                                     {.model = "second", .right = 88, .p95_ms = 40},
                                     {.model = "worse", .right = 80, .p95_ms = 60},
                                     {.model = "light", .right = 81, .p95_ms = 70, .memory_bytes = 1'000'000},
                                     {.model = "slow", .right = 95, .p95_ms = 5000}});
  const auto selection = choose(matrix, {"latency_p95<=3s"});
  EXPECT_THAT(selection.outcomes[2].why, HasSubstr("dominated by best:f32"));
  EXPECT_THAT(selection.outcomes[3].why,
              AllOf(HasSubstr("meets every requirement"), HasSubstr("the highest accuracy")));
  EXPECT_EQ(selection.outcomes[4].why, "latency_p95 5000 ms, required at most 3000 ms");
}

TEST(SelectTest, AllRequirementsThatFailAreNamed) {
  const Matrix matrix = three_models();
  const auto selection = choose(matrix, {"accuracy>=0.8", "latency_p95<=10ms", "memory<=2GB"});
  EXPECT_THAT(selection.outcomes[2].why, AllOf(HasSubstr("accuracy 70.0 %"), HasSubstr("latency_p95 20.0 ms"),
                                               Not(HasSubstr("memory"))));
}

TEST(SelectTest, WhereNothingFitsTheNearestMissesComeFirst) {
  const Matrix matrix = three_models();
  const auto selection = choose(matrix, {"accuracy>=0.9", "latency_p95<=250ms"});
  EXPECT_FALSE(selection.primary.has_value());
  EXPECT_FALSE(selection.fallback.has_value());
  // small misses one by 22 %, large one by 260 %, middle both.
  EXPECT_THAT(selection.nearest, ElementsAre(2U, 0U, 1U));
  EXPECT_THAT(selection.to_table(matrix), AllOf(HasSubstr("No variant meets every requirement"),
                                                HasSubstr("small:f32: accuracy 70.0 %")));
}

TEST(SelectTest, TheEdgeModelNeedNotBeFastOnThisMachine) {
  const Matrix matrix =
      make_matrix({{.model = "reader", .right = 95, .p95_ms = 20},
                   {.model = "micro", .dtype = "f32", .right = 90, .p95_ms = 90, .edge = true},
                   {.model = "micro", .dtype = "int8", .right = 89, .p95_ms = 95, .edge = true},
                   {.model = "micro", .dtype = "int4", .right = 70, .p95_ms = 80, .edge = true}});
  const auto selection = choose(matrix, {"accuracy>=0.85", "latency_p95<=50ms"});
  EXPECT_EQ(name(matrix, selection.primary), "reader:f32");
  EXPECT_EQ(name(matrix, selection.edge), "micro:int8") << "integers come first: it has no floating point";
  EXPECT_EQ(selection.outcomes[2].role, "edge");
  EXPECT_EQ(name(matrix, choose(matrix, {"accuracy>=0.9"}).edge), "micro:f32");
  EXPECT_FALSE(choose(matrix, {"accuracy>=0.92"}).edge.has_value());
}

TEST(SelectTest, ALeadThatChanceMayHaveMadeIsToldAsSuch) {
  const Matrix close = make_matrix({{.model = "a", .right = 81}, {.model = "b", .right = 80}});
  EXPECT_THAT(choose(close, {}).primary->why, HasSubstr("chance may have made it"));
  const Matrix far = make_matrix({{.model = "a", .right = 95}, {.model = "b", .right = 70}});
  EXPECT_THAT(choose(far, {}).primary->why, Not(HasSubstr("chance")));
}

TEST(SelectTest, ALimitInsideTheIntervalIsMarkedInTheTable) {
  const Matrix matrix = three_models();
  const auto selection = choose(matrix, {"accuracy>=0.9"});
  EXPECT_THAT(selection.to_table(matrix),
              AllOf(HasSubstr("yes *"), HasSubstr("* a limit lies inside the 95 % interval"),
                    HasSubstr("note: large:f32: accuracy 92.0 %")));
  EXPECT_TRUE(selection.to_json(matrix)["results"][0]["verdicts"][0]["interval_holds_limit"]);
}

TEST(SelectTest, WhoAnsweredNothingIsNotTheFastest) {
  Matrix matrix = three_models();
  matrix.variants[0].warm = {};
  EXPECT_EQ(name(matrix, choose(matrix, {}, Preference::kLatency).primary), "small:f32");
}

TEST(DeploymentTest, IsTomlWithRolesLimitsAndVersions) {
  Matrix matrix = three_models();
  matrix.variants[0].folder = "/a \"quoted\"\\folder\n";
  const auto selection = choose(matrix, {"accuracy>=80%", "latency_p95<=3s"});
  const auto file = toml::parse(to_deployment(matrix, selection));
  EXPECT_EQ(file["schema"].value<int>(), 1);
  EXPECT_EQ(file["task"]["name"].value<std::string>(), "pizza");
  EXPECT_EQ(file["task"]["digest"].value<std::string>(), "task");
  EXPECT_EQ(file["roles"]["primary"]["model"].value<std::string>(), "large");
  EXPECT_EQ(file["roles"]["primary"]["folder"].value<std::string>(), matrix.variants[0].folder);
  EXPECT_EQ(file["roles"]["primary"]["version"].value<std::string>(), "0123456789ab");
  EXPECT_EQ(file["roles"]["primary"]["dtype"].value<std::string>(), "f32");
  EXPECT_DOUBLE_EQ(file["roles"]["primary"]["measured"]["accuracy"].value<double>().value(), 0.92);
  EXPECT_EQ(file["roles"]["fallback"]["model"].value<std::string>(), "middle");
  EXPECT_FALSE(file["roles"]["edge"].is_table());
  EXPECT_EQ(file["limits"][1]["metric"].value<std::string>(), "latency_p95");
  EXPECT_EQ(file["limits"][1]["comparison"].value<std::string>(), "<=");
  EXPECT_DOUBLE_EQ(file["limits"][1]["value"].value<double>().value(), 3000);
  EXPECT_EQ(file["limits"][1]["unit"].value<std::string>(), "ms");
}

}  // namespace
}  // namespace fovea::evaluate
