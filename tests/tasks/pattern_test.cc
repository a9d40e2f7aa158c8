#include "tasks/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fovea::tasks {
namespace {

using testing::HasSubstr;

bool matches(const std::string& expression, const std::string& text) {
  const auto pattern = Pattern::compile(expression);
  EXPECT_TRUE(pattern.has_value()) << expression << ": " << pattern.error().message;
  return pattern && pattern->matches(text);
}

TEST(PatternTest, TheWholeTextHasToMatch) {
  EXPECT_TRUE(matches("ab", "ab"));
  EXPECT_FALSE(matches("ab", "abc"));
  EXPECT_FALSE(matches("ab", "xab"));
  EXPECT_FALSE(matches("ab", ""));
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("^ab$", "ab"));
  EXPECT_TRUE(matches("a\\$", "a$"));
  EXPECT_TRUE(matches("a\\\\$", "a\\"));
}

TEST(PatternTest, RepetitionsCount) {
  EXPECT_TRUE(matches("a*", ""));
  EXPECT_TRUE(matches("a*b", "aaab"));
  EXPECT_FALSE(matches("a+", ""));
  EXPECT_TRUE(matches("a?b", "b"));
  EXPECT_FALSE(matches("a?b", "aab"));
  for (int n = 0; n < 6; ++n) {
    const std::string text(static_cast<std::size_t>(n), 'a');
    EXPECT_EQ(matches("a{3}", text), n == 3) << n;
    EXPECT_EQ(matches("a{2,}", text), n >= 2) << n;
    EXPECT_EQ(matches("a{2,4}", text), n >= 2 && n <= 4) << n;
    EXPECT_EQ(matches("(?:a|aa){2}", text), n >= 2 && n <= 4) << n;
    EXPECT_EQ(matches("a{0}", text), n == 0) << n;
  }
}

TEST(PatternTest, ClassesGroupsAndAlternativesAreUnderstood) {
  EXPECT_TRUE(matches("[A-Z]{2,4}-?\\d{3}|\\d+/\\d+", "SWP-042"));
  EXPECT_TRUE(matches("[A-Z]{2,4}-?\\d{3}|\\d+/\\d+", "4/102"));
  EXPECT_FALSE(matches("[A-Z]{2,4}-?\\d{3}|\\d+/\\d+", "4/"));
  EXPECT_TRUE(matches("[^a-c]", "d"));
  EXPECT_FALSE(matches("[^a-c]", "b"));
  EXPECT_TRUE(matches("[a-]", "-"));
  EXPECT_TRUE(matches("[\\]\\-]+", "]-"));
  EXPECT_TRUE(matches("\\D\\W\\S", "a!b"));
  EXPECT_FALSE(matches("\\D", "1"));
  EXPECT_TRUE(matches("(a(b|c)){2}", "abac"));
}

TEST(PatternTest, CharactersAreCodePointsNotBytes) {
  EXPECT_TRUE(matches(".", "é"));
  EXPECT_TRUE(matches("[à-ü]{2}", "éö"));
  EXPECT_TRUE(matches("龍.", "龍王"));
  EXPECT_FALSE(matches(".", "\n"));
  EXPECT_FALSE(matches(".*", "\xFF")) << "bytes that are no UTF-8 match nothing";
}

TEST(PatternTest, WhatIsNotUnderstoodIsRefusedWithItsPlace) {
  for (const std::string bad :
       {"(",       "a)",  "[a",  "[]",   "a{2", "a{,2}", "a{3,2}", "*a",    "a**",      "a+?", "(?=a)",
        "(?<n>a)", "\\1", "\\b", "\\pL", "\\",  "a^b",   "a$b",    "[z-a]", "a{99999}", "\xFF"}) {
    const auto pattern = Pattern::compile(bad);
    ASSERT_FALSE(pattern.has_value()) << bad;
    EXPECT_EQ(pattern.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(pattern.error().message, HasSubstr("at character")) << bad;
  }
}

TEST(PatternTest, HostileExpressionsAreRefusedOrHarmless) {
  EXPECT_FALSE(Pattern::compile("((a{100}){100}){100}").has_value());
  EXPECT_FALSE(Pattern::compile(std::string(1000, '(')).has_value());
  // Backtracking would need 2^60 steps.
  EXPECT_FALSE(matches("(a+)+b", std::string(60, 'a')));
  EXPECT_FALSE(matches("(a|a)*b", std::string(60, 'a')));
  EXPECT_TRUE(matches("(a*)*", "aaa")) << "an empty repetition ends";
}

}  // namespace
}  // namespace fovea::tasks
