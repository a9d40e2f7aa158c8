#include "tasks/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tasks/task_set.h"

namespace fovea::tasks {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

const Task& card() {
  return *builtin_tasks()->find("trading-card");
}

std::optional<Check> find(const std::vector<Check>& checks, std::string_view name) {
  for (const Check& check : checks) {
    if (check.check == name) return check;
  }
  return std::nullopt;
}

std::optional<Check> check_of(const Json& fields, std::string_view name, const IsKnown& known = {}) {
  return find(check_reading(card(), fields, known), name);
}

TEST(CheckTest, HpIsAMultipleOfTenUpToFourHundred) {
  for (const int good : {10, 60, 340, 400}) EXPECT_TRUE(check_of({{"hp", good}}, "plausible_hp")->ok) << good;
  for (const int bad : {0, 5, 189, 410, 9999}) {
    const auto check = check_of({{"hp", bad}}, "plausible_hp");
    EXPECT_FALSE(check->ok) << bad;
    EXPECT_FALSE(check->warning);
    EXPECT_THAT(check->detail, HasSubstr(std::to_string(bad)));
  }
}

TEST(CheckTest, ACollectorNumberOfNoKnownFormFails) {
  const auto good = check_of({{"collector_number", "004/102"}}, "collector_number_form");
  EXPECT_TRUE(good->ok);
  EXPECT_EQ(good->detail, "4/102");
  EXPECT_FALSE(check_of({{"collector_number", "four"}}, "collector_number_form")->ok);
}

TEST(CheckTest, ANumberBeyondTheTotalIsAWarning) {
  EXPECT_TRUE(check_of({{"collector_number", "102/102"}}, "number_within_total")->ok);
  const auto secret = check_of({{"collector_number", "103/102"}}, "number_within_total");
  EXPECT_FALSE(secret->ok);
  EXPECT_TRUE(secret->warning);
  EXPECT_FALSE(check_of({{"collector_number", "SWSH001"}}, "number_within_total").has_value());
}

TEST(CheckTest, KnownValuesAreAskedForByTheirCanonicalForm) {
  const IsKnown known = [](const Field& field, std::string_view canonical) {
    EXPECT_EQ(field.name, "set_name");
    return std::optional(canonical == "first light");
  };
  EXPECT_TRUE(check_of({{"set_name", "First  LIGHT"}}, "known_value", known)->ok);
  EXPECT_FALSE(check_of({{"set_name", "Last Light"}}, "known_value", known)->ok);
  EXPECT_FALSE(check_of({{"set_name", "First Light"}}, "known_value").has_value()) << "nothing to ask";
  const IsKnown silent = [](const Field&, std::string_view) { return std::optional<bool>(); };
  EXPECT_FALSE(check_of({{"set_name", "First Light"}}, "known_value", silent).has_value());
}

TEST(CheckTest, NullFieldsArePassedOver) {
  Json nothing;
  for (const Field& field : card().fields) nothing[field.name] = nullptr;
  EXPECT_TRUE(check_reading(card(), nothing).empty());
}

TEST(CheckTest, ChecksHaveTheDocumentedJson) {
  const auto checks = check_reading(card(), {{"hp", 60}, {"collector_number", "7/5"}});
  EXPECT_EQ(checks.at(0).to_json().dump(), R"({"field":"hp","check":"plausible_hp","ok":true,"detail":""})");
  EXPECT_EQ(find(checks, "number_within_total")->to_json()["warning"], true);
}

TEST(CheckTest, ReviewIsAskedForLowConfidenceAndFailedChecksOnly) {
  const auto good = check_reading(card(), {{"hp", 60}, {"collector_number", "7/5"}});
  EXPECT_EQ(review_reason(card(), nullptr, good), std::nullopt) << "warnings alone ask for nothing";
  EXPECT_EQ(review_reason(card(), {{"hp", 0.95}, {"name", 0.9}}, good), std::nullopt);
  EXPECT_THAT(*review_reason(card(), {{"hp", 0.95}, {"name", 0.5}}, good),
              HasSubstr("name: confidence 0.50 is below 0.90"));
  EXPECT_THAT(*review_reason(card(), nullptr, check_reading(card(), {{"hp", 61}})),
              HasSubstr("hp: plausible_hp"));

  Task lenient = card();
  for (Field& field : lenient.fields) field.accept = 0.4;
  EXPECT_EQ(review_reason(lenient, {{"name", 0.5}}, good), std::nullopt);
}

}  // namespace
}  // namespace fovea::tasks
