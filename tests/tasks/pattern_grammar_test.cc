// A field's pattern is read twice: when an answer is checked, and when the schema that holds a model to it is
// compiled. Both readers must mean the same.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "tasks/pattern.h"

namespace fovea::tasks {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kPatterns{
    "[A-Z0-9]{1,6}(?:/[A-Z0-9]{1,6})?",
    "(a|b)*c",
    "a+b?c{2}",
    "a{2,}",
    "a{0,3}b{1}",
    "^abc$",
    "(?:ab|a)(?:c|bcd)d*",
    "[^a-c/]+",
    ".{1,3}",
    R"(\d{3}/\d{3})",
    R"(\w+\s\w+)",
    R"(\D\W\S)",
    R"(\.\*\+\?\(\)\[\]\{\}\|\\\/\^\$)",
    "[-a]",
    "[a-]",
    R"([\]\\^-]+)",
    R"([\d\-/]+)",
    "é[à-ü]*",
    "(((a)))",
    "a|",
    "|a",
    "(?:)",
    "",
    "()*",
    "(a*)*b",
};

TEST(PatternGrammarTest, AnAnswerPassesTheCheckWhereTheSchemaPermitsIt) {
  std::mt19937 random(5);
  const std::vector<std::string> pieces{"a", "b", "c", "d", "A", "7", "0",  "/",  "-",  "]", "\\", "^", ".",
                                        "*", " ", "_", "é", "à", "ü", "\t", "\n", "\"", "|", "$",  "(", "😀"};
  std::size_t permitted = 0;
  for (const std::string& expression : kPatterns) {
    const auto pattern = Pattern::compile(expression);
    ASSERT_TRUE(pattern.has_value()) << expression << ": " << pattern.error().message;
    // As Task::json_schema() writes it.
    const Json schema{
        {"type", "string"}, {"pattern", fmt::format("^(?:{})$", expression)}, {"maxLength", 20}};
    const auto grammar = grammar::Grammar::from_schema(schema);
    ASSERT_TRUE(grammar.has_value()) << expression << ": " << grammar.error().message;
    std::vector<std::string> texts{"",   "abc", "aabcc", "004/102", "SWSH001", "ab cd", ".*+?()[]{}|\\/^$",
                                   "x-!"};
    for (int i = 0; i < 2000; ++i) {
      std::string text;
      for (std::size_t left = random() % 6; left > 0; --left) text += pieces[random() % pieces.size()];
      texts.push_back(text);
    }
    for (const std::string& text : texts) {
      if (text.size() > 20) continue;  // the schema's limit, which the pattern does not know
      const bool schema_permits = (*grammar)->matches(Json(text).dump());
      EXPECT_EQ(pattern->matches(text), schema_permits) << expression << " and " << Json(text);
      permitted += schema_permits ? 1 : 0;
    }
  }
  EXPECT_GT(permitted, 1000U);
}

TEST(PatternGrammarTest, WhatTheCheckRefusesToCompileTheSchemaDoesToo) {
  for (const std::string& expression : {"(", ")", "[", "a{2,1}", "*a", "(?=a)", "(?!a)", R"(\1)", R"(\b)",
                                        "a{", "[z-a]", R"(\p{L})", "a**"}) {
    const Json schema{{"type", "string"}, {"pattern", fmt::format("^(?:{})$", expression)}};
    EXPECT_FALSE(Pattern::compile(expression).has_value()) << expression;
    EXPECT_FALSE(grammar::Grammar::from_schema(schema).has_value()) << expression;
  }
}

}  // namespace
}  // namespace fovea::tasks
