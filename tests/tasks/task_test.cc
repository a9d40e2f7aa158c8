#include "tasks/task_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fovea::tasks {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

const Task& card() {
  return *builtin_tasks()->find("trading-card");
}

Json card_answer() {
  return {{"name", "Emberling"},       {"hp", 60},         {"collector_number", "012/165"},
          {"set_name", "First Light"}, {"rarity", "Rare"}, {"stage", "Basic"},
          {"first_edition", false}};
}

void expect_refused(const std::string& answer, const std::string& reason) {
  const auto fields = parse_answer(card(), answer);
  ASSERT_FALSE(fields.has_value()) << answer.substr(0, 100);
  EXPECT_EQ(fields.error().code, ErrorCode::kInvalidOutput);
  EXPECT_THAT(fields.error().message, AllOf(HasSubstr("trading-card"), HasSubstr(reason)));
  EXPECT_LT(fields.error().message.size(), 800U) << "a message is for people";
  // It goes into JSON answers itself.
  EXPECT_NO_THROW((void)Json(fields.error().message).dump());
}

TEST(ParseAnswerTest, AWholeAnswerGivesItsFieldsInTheTasksOrder) {
  // Another order than the task's, and white space around.
  Json shuffled;
  const Json answer = card_answer();
  for (auto field = answer.rbegin(); field != answer.rend(); ++field) shuffled[field.key()] = field.value();
  const auto fields = parse_answer(card(), " \n" + shuffled.dump(2) + "\n");
  ASSERT_TRUE(fields.has_value()) << fields.error().message;
  EXPECT_EQ(fields->dump(), card_answer().dump());
}

TEST(ParseAnswerTest, AnyFieldMayBeNull) {
  Json answer = card_answer();
  for (auto& field : answer) field = nullptr;
  const auto fields = parse_answer(card(), answer.dump());
  ASSERT_TRUE(fields.has_value()) << fields.error().message;
  for (const auto& field : *fields) EXPECT_TRUE(field.is_null());
}

TEST(ParseAnswerTest, TextKeepsItsCharacters) {
  Json answer = card_answer();
  answer["name"] = "Ærwyn \"the 3rd\" \\ 龍";
  const auto fields = parse_answer(card(), answer.dump());
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ((*fields)["name"], answer["name"]);
}

TEST(ParseAnswerTest, WhatIsNoJsonObjectIsRefusedWithItsBeginning) {
  expect_refused("", "not valid JSON");
  expect_refused("I see a card named Emberling.", "I see a card named Emberling.");
  expect_refused("{\"name\": \"Ember", "not valid JSON");
  expect_refused(card_answer().dump() + " and more", "not valid JSON");
  expect_refused("[1, 2]", "no JSON object");
  expect_refused("null", "no JSON object");
  expect_refused(R"({"name": "a", "name": "b"})", "stands twice");
  expect_refused(std::string(100'000, '['), "nested deeper");
  expect_refused(std::string(5'000'000, ' '), "it begins");
}

TEST(ParseAnswerTest, AnAnswerThatIsNoUtf8OrCutInsideACharacterMakesAMessageThatIs) {
  expect_refused("\xFF\xFE broken", "it begins");
  std::string long_text = "x";
  while (long_text.size() < 200) long_text += "é";
  expect_refused(long_text, "it begins");
}

TEST(ParseAnswerTest, MissingAndUnknownFieldsAreRefused) {
  for (const Field& field : card().fields) {
    Json answer = card_answer();
    answer.erase(field.name);
    expect_refused(answer.dump(), field.name + " is missing");
  }
  Json answer = card_answer();
  answer["colour"] = "red";
  expect_refused(answer.dump(), "not asked for");
  expect_refused("{}", "missing");
}

TEST(ParseAnswerTest, FieldsOfAnotherTypeAreRefused) {
  const std::vector<std::pair<const char*, Json>> wrong{{"name", 7},
                                                        {"name", true},
                                                        {"name", Json::array()},
                                                        {"hp", "60"},
                                                        {"hp", -60},
                                                        {"hp", 60.5},
                                                        {"hp", 60.0},
                                                        {"first_edition", "yes"},
                                                        {"first_edition", 1},
                                                        {"set_name", Json::object()},
                                                        {"stage", false}};
  for (const auto& [name, value] : wrong) {
    Json answer = card_answer();
    answer[name] = value;
    expect_refused(answer.dump(), std::string(name) + " has the wrong type");
  }
}

}  // namespace
}  // namespace fovea::tasks
