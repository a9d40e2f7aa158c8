#include "tasks/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "support/paths.h"
#include "tasks/normalise.h"
#include "tasks/task_set.h"

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

TEST(TaskTest, TheCardReadersPromptAndFieldsStayAsTheyWereTrained) {
  EXPECT_EQ(card().prompt, "Read this trading card. Answer in JSON.");
  EXPECT_EQ(card().max_new_tokens, 256U);
  std::vector<std::string> names;
  for (const Field& field : card().fields) names.push_back(field.name);
  EXPECT_THAT(names, testing::ElementsAre("name", "hp", "collector_number", "set_name", "rarity", "stage",
                                          "first_edition"));
}

TEST(TaskTest, EveryTruthOfTheEvaluationSetsFitsTheCardTask) {
  std::size_t cards = 0;
  for (const char* set : {"clean", "camera", "other"}) {
    std::ifstream manifest(test::source_folder().string() + "/models/eval/trading-card/" + set +
                           "/manifest.jsonl");
    for (std::string line; std::getline(manifest, line); ++cards) {
      const Json truth = Json::parse(line)["truth"];
      const auto fields = check_fields(card(), truth);
      ASSERT_TRUE(fields.has_value()) << line << ": " << fields.error().message;
      EXPECT_EQ(clean_fields(card(), *fields), truth) << "cleaning must not change what is true";
      if (const Json& number = truth["collector_number"]; number.is_string()) {
        EXPECT_TRUE(parse_collector_number(number.get<std::string>()).has_value()) << number;
      }
    }
  }
  EXPECT_GT(cards, 300U);
}

TEST(TaskTest, TheDigestCoversWhatChangesAnAnswerAndNothingElse) {
  const std::string digest = card().digest();
  EXPECT_EQ(digest.size(), 64U);
  Task task = card();
  task.fields[0].title = "Title";
  task.fields[0].display_width = 99;
  EXPECT_EQ(task.digest(), digest) << "a table's looks change no answer";
  const std::vector<void (*)(Task&)> changes{
      [](Task& t) { t.name += "x"; },
      [](Task& t) { t.prompt += " "; },
      [](Task& t) { std::swap(t.fields[0], t.fields[1]); },
      [](Task& t) { t.fields[0].nullable = false; },
      [](Task& t) { t.fields[0].max_length = 7; },
      [](Task& t) { t.fields[0].pattern = *Pattern::compile("a"); },
      [](Task& t) { t.fields[0].clean.clear(); },
      [](Task& t) { t.fields[0].normalise.clear(); },
      [](Task& t) { t.fields[1].check.clear(); },
      [](Task& t) { t.fields[1].maximum = 7; },
      [](Task& t) { t.fields[1].accept = 0.5; },
      [](Task& t) { t.accept = 0.5; },
      [](Task& t) { t.legible = 0.5; },
      [](Task& t) { t.complex = true; },
      [](Task& t) { t.portrait = !t.portrait; },
      [](Task& t) { t.models.fast = "other"; },
      [](Task& t) { t.max_new_tokens = 1; },
      [](Task& t) { t.labels.push_back({.name = "a", .meaning = ""}); }};
  std::set<std::string> digests{digest};
  for (const auto change : changes) {
    task = card();
    change(task);
    EXPECT_TRUE(digests.insert(task.digest()).second) << digests.size();
  }
}

TEST(TaskTest, TheSchemaIsAClosedObjectInTheAnswersOrder) {
  const Json schema = card().json_schema();
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
  std::vector<std::string> names;
  for (const auto& [name, property] : schema["properties"].items()) names.push_back(name);
  EXPECT_EQ(Json(names), schema["required"]);
  EXPECT_EQ(schema["properties"]["name"].dump(), R"({"type":["string","null"],"maxLength":100})");
  EXPECT_EQ(schema["properties"]["hp"].dump(), R"({"type":["integer","null"],"minimum":0,"maximum":9999})");
  EXPECT_EQ(schema["properties"]["first_edition"].dump(), R"({"type":["boolean","null"]})");

  Task task = card();
  task.fields[0].type = FieldType::kLabel;
  task.fields[0].one_of = {"x", "y"};
  task.fields[0].max_length.reset();
  EXPECT_EQ(task.json_schema()["properties"]["name"].dump(),
            R"({"type":["string","null"],"enum":["x","y",null]})");
  task.fields[3].pattern = *Pattern::compile("^a|b$");
  task.fields[3].nullable = false;
  EXPECT_EQ(task.json_schema()["properties"]["set_name"].dump(),
            R"({"type":"string","pattern":"^(?:a|b)$","maxLength":100})");
}

TEST(TaskTest, TheSchemaOfALabelsTaskIsItsLabels) {
  EXPECT_EQ(builtin_tasks()->find("pizza")->json_schema().dump(),
            R"({"type":"string","enum":["basic","burnt","combined","mixed","progression","segment"]})");
}

TEST(ParseAnswerTest, ALabelIsReadBareOrAsJson) {
  const Task& pizza = *builtin_tasks()->find("pizza");
  for (const char* answer : {"burnt", " burnt\n", "\"burnt\""}) {
    const auto fields = parse_answer(pizza, answer);
    ASSERT_TRUE(fields.has_value()) << answer;
    EXPECT_EQ(fields->dump(), R"({"label":"burnt"})");
  }
  for (const char* answer : {"", "Burnt", "burnt pizza", "[name]", "{\"label\":\"burnt\"}", "null"}) {
    const auto fields = parse_answer(pizza, answer);
    ASSERT_FALSE(fields.has_value()) << answer << ": there is no default label";
    EXPECT_EQ(fields.error().code, ErrorCode::kInvalidOutput);
  }
}

TEST(ParseAnswerTest, DeclaredFormsAreHeld) {
  Task task = card();
  task.fields[0].max_length = 3;
  task.fields[0].nullable = false;
  task.fields[1].minimum = 10;
  task.fields[2].pattern = *Pattern::compile("[0-9]+/[0-9]+");
  const auto refusal = [&](const char* field, const Json& value) {
    Json answer = card_answer();
    answer["name"] = "Ærw";
    answer[field] = value;
    const auto fields = parse_answer(task, answer.dump());
    return fields ? std::string() : fields.error().message;
  };
  EXPECT_EQ(refusal("name", "龍龍龍"), "") << "lengths count characters";
  EXPECT_THAT(refusal("name", "龍龍龍龍"), HasSubstr("name has 4 characters, expected at most 3"));
  EXPECT_THAT(refusal("name", nullptr), HasSubstr("name is null"));
  EXPECT_THAT(refusal("hp", 9), HasSubstr("hp is 9, expected at least 10"));
  EXPECT_THAT(refusal("hp", 10000), HasSubstr("expected at most 9999"));
  EXPECT_THAT(refusal("collector_number", "SWSH001"), HasSubstr("does not match [0-9]+/[0-9]+"));
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
