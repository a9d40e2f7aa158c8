#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace fovea::grammar {
namespace {

using testing::HasSubstr;

Grammar::Pointer compile(std::string_view schema, const Options& options = {}) {
  auto grammar = Grammar::from_schema_text(schema, options);
  EXPECT_TRUE(grammar) << schema << ": " << grammar.error().message;
  return grammar.value();
}

void expect_language(std::string_view schema, const std::vector<std::string>& in,
                     const std::vector<std::string>& out, const Options& options = {}) {
  const Grammar::Pointer grammar = compile(schema, options);
  for (const std::string& text : in)
    EXPECT_TRUE(grammar->matches(text)) << schema << " should permit " << text;
  for (const std::string& text : out)
    EXPECT_FALSE(grammar->matches(text)) << schema << " should refuse " << text;
}

void expect_refused(std::string_view schema, const std::string& message, const Options& options = {}) {
  const auto grammar = Grammar::from_schema_text(schema, options);
  ASSERT_FALSE(grammar) << schema;
  EXPECT_THAT(grammar.error().message, HasSubstr(message)) << schema;
}

TEST(Schema, WritesMembersInItsOwnOrderWithoutSpaces) {
  expect_language(
      R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"null"}},"required":["b","a"]})",
      {R"({"b":1,"a":null})"},
      {R"({"a":null,"b":1})", R"({"b": 1,"a":null})", R"({"b":1})", R"({"b":1,"a":null,})",
       R"({"b":1,"a":null}})", "{}"});
}

TEST(Schema, WritesSpacesWhereAskedTo) {
  expect_language(
      R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"const":{"x":[1,2]}}}})",
      {R"({"a": [1, 2], "b": {"x": [1, 2]}})", "{}"}, {R"({"a":[1, 2]})"}, {.layout = Layout::kSpaced});
}

TEST(Schema, LetsOptionalMembersOut) {
  expect_language(R"({"properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}},"required":["b"]})",
                  {R"({"a":1,"b":2,"c":3})", R"({"b":2,"c":3})", R"({"a":1,"b":2})", R"({"b":2})"},
                  {R"({"a":1,"c":3})", R"({,"b":2})", R"({"b":2,"a":1})", "{}", R"({"b":2,"d":4})"});
}

TEST(Schema, WritesStringsInOneSpelling) {
  expect_language(R"({"type":"string"})",
                  {R"("")", R"("a\"b\\c\n\u0001")", "\"\u00e9\U0001F600\x7f/\"", R"("\b\f\n\r\t\u001f")"},
                  {R"("\u0041")", R"("\u000a")", R"("\/")", "\"\n\"", "\"\xff\"", "\"\xed\xa0\x80\"",
                   "\"\xc0\x80\"", "\"a", R"("\u001F")"});
}

TEST(Schema, CountsCodePointsInLengths) {
  expect_language(R"({"type":"string","minLength":2,"maxLength":3})", {R"("ab")", "\"\u00e9\U0001F600\\n\""},
                  {R"("a")", R"("abcd")", "\"\U0001F600\""});
  expect_language(R"({"type":"string"})", {R"("abc")"}, {R"("abcd")"}, {.max_string_length = 3});
}

TEST(Schema, FindsPatternsAnywhereUnlessTheyAreAnchored) {
  expect_language(R"({"type":"string","pattern":"[0-9]{2}"})", {R"("12")", R"("a123b")"},
                  {R"("1a2")", R"("")"});
  expect_language(R"({"type":"string","pattern":"^[A-Z]+-\\d{1,3}$"})", {R"("AB-1")", R"("A-123")"},
                  {R"("AB-1234")", R"("ab-1")", R"("xAB-1")", R"("AB-1\n")"});
  expect_language(R"({"type":"string","pattern":"^(?:a|bc)*?$","minLength":3,"maxLength":4})",
                  {R"("aaa")", R"("abc")", R"("bcbc")"}, {R"("bc")", R"("bcbcbc")", R"("bab")"});
  expect_language(R"({"type":"string","pattern":"^.\\s[^\\w\\-]$"})", {"\"a\u00a0\u00e9\"", R"("\"\t\\")"},
                  {R"("\n\t+")", R"("a -")"});
  expect_language(R"({"type":"string","pattern":"$^"})", {R"("")"}, {R"("a")"});
  expect_language(R"x({"type":"string","pattern":"(^a|b$)"})x", {R"("ax")", R"("xb")"},
                  {R"("xa")", R"("bx")"});
  expect_language(R"({"type":"string","pattern":"^\\u{1F600}\\uD83D\\uDE00\\x41$"})",
                  {"\"\U0001F600\U0001F600A\""}, {R"("A")"});
}

TEST(Schema, RefusesWhatPatternsCannotSayByName) {
  for (const auto& [pattern, message] :
       std::vector<std::pair<std::string, std::string>>{{"(?=a)", "look-ahead"},
                                                        {"(?<!a)b", "look-behind"},
                                                        {R"(\\bword)", R"(\b)"},
                                                        {R"((a)\\1)", "escape"},
                                                        {R"(\\p{L})", "escape"},
                                                        {"a{2,1}", "out of order"},
                                                        {"*a", "nothing to repeat"},
                                                        {"(a", "without its end"},
                                                        {"a)", "unmatched"},
                                                        {"[b-a]", "range"},
                                                        {"a}", "bracket"},
                                                        {"^(?:a{100}){100}(?:b{100}){100}$", "states"}}) {
    expect_refused(R"({"type":"object","properties":{"p":{"type":"string","pattern":")" + pattern + "\"}}}",
                   message);
    expect_refused(R"({"type":"object","properties":{"p":{"type":"string","pattern":")" + pattern + "\"}}}",
                   "/properties/p/pattern");
  }
  expect_refused(R"({"type":"string","pattern":"^a{5}$","maxLength":4})", "no string of 0 to 4 characters");
}

TEST(Schema, KnowsFormats) {
  expect_language(
      R"({"type":"string","format":"date"})", {R"("2024-02-29")", R"("1999-12-31")"},
      {R"("2023-02-29")", R"("2023-04-31")", R"("2023-13-01")", R"("23-01-01")", R"("1900-02-29")"});
  expect_language(R"({"type":"string","format":"date-time"})",
                  {R"("2024-01-01T23:59:59Z")", R"("2024-01-01T00:00:00.5+02:00")"},
                  {R"("2024-01-01")", R"("2024-01-01T24:00:00Z")"});
  expect_language(R"({"type":"string","format":"uuid"})", {R"("01234567-89ab-cdef-0123-456789abcdef")"},
                  {R"("0123")"});
  expect_refused(R"({"type":"string","format":"email"})", "schema at /format");
}

TEST(Schema, BoundsIntegers) {
  expect_language(R"({"type":"integer"})", {"0", "-1", "9007199254740991", "-9007199254740991"},
                  {"-0", "01", "1.0", "1e3", "9007199254740992", "", "-"});
  for (const auto& [low, high] :
       {std::pair{0, 9}, {-7, 12}, {10, 340}, {95, 1005}, {-1203, -98}, {-1, 0}, {117, 117}}) {
    const auto grammar = compile(R"({"type":"integer","minimum":)" + std::to_string(low) + R"(,"maximum":)" +
                                 std::to_string(high) + "}");
    for (int value = -2000; value <= 2000; ++value) {
      EXPECT_EQ(grammar->matches(std::to_string(value)), low <= value && value <= high)
          << low << " " << value << " " << high;
    }
  }
  expect_language(R"({"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":2.5})", {"2"}, {"1", "3"});
  expect_language(R"({"type":"integer","minimum":-20,"maximum":20,"multipleOf":10})",
                  {"-20", "-10", "0", "10", "20"}, {"5", "30", "-0"});
  expect_refused(R"({"type":"integer","minimum":3,"maximum":2})", "schema at /minimum");
  expect_refused(R"({"type":"integer","exclusiveMinimum":3,"maximum":3})", "schema at /exclusiveMinimum");
  expect_refused(R"({"type":"integer","multipleOf":7})", "schema at /multipleOf");
}

TEST(Schema, BoundsDecimalNumbers) {
  const auto check = [](const std::string& keywords, double low, double high, bool low_in, bool high_in) {
    const auto grammar = compile(R"({"type":"number")" + keywords + "}", {.max_fraction_digits = 3});
    for (int thousandths = -3500; thousandths <= 3500; ++thousandths) {
      std::string text = thousandths < 0 ? "-" : "";
      text += std::to_string(std::abs(thousandths) / 1000) + "." +
              std::to_string(1000 + std::abs(thousandths) % 1000).substr(1);
      const double value = std::stod(text);
      const bool in = (low_in ? value >= low : value > low) && (high_in ? value <= high : value < high);
      EXPECT_EQ(grammar->matches(text), in) << keywords << " " << text;
    }
  };
  check(R"(,"minimum":0.25,"maximum":2.5)", 0.25, 2.5, true, true);
  check(R"(,"exclusiveMinimum":-1.5,"exclusiveMaximum":0.125)", -1.5, 0.125, false, false);
  check(R"(,"minimum":-2,"exclusiveMaximum":-0.06)", -2, -0.06, true, false);
  check(R"(,"exclusiveMinimum":1,"maximum":1.0625)", 1, 1.0625, false, true);
  check(R"(,"exclusiveMinimum":0,"exclusiveMaximum":0.002)", 0, 0.002, false, false);
  expect_language(R"({"type":"number"})", {"0", "-0.5", "1.25", "123456789.000001", "3"},
                  {"-0", "-0.0", "1.", ".5", "1e3", "1234567890", "0.1234567", "00.1"});
  expect_refused(R"({"type":"number","minimum":1e12})", "no number of 9 digits before");
  expect_refused(R"({"type":"number","minimum":2,"exclusiveMaximum":2})", "schema at /minimum");
  expect_refused(R"({"type":"number","exclusiveMinimum":0.30000000000000004})", "15 significant digits");
}

TEST(Schema, CountsItems) {
  expect_language(R"({"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2})",
                  {"[true]", "[true,false]"}, {"[]", "[true,true,true]", "[,true]", "[true,]"});
  expect_language(R"({"type":"array","items":{"const":1},"maxItems":0})", {"[]"}, {"[1]"});
  expect_language(R"({"type":"array","items":{"const":1}})", {"[]", "[1,1]"}, {"[1,1,1]"}, {.max_items = 2});
  expect_language(
      R"({"prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1,"maxItems":4})",
      {"[1]", "[1,2]", "[1,2,3,3]"}, {"[]", "[2]", "[1,3]", "[1,2,3,3,3]"});
  expect_language(R"({"prefixItems":[{"const":1},{"const":2}],"items":false})", {"[]", "[1]", "[1,2]"},
                  {"[1,2,3]"});
  expect_refused(R"({"type":"array","minItems":3,"maxItems":2})", "schema at /minItems");
  expect_refused(R"({"type":"array","uniqueItems":true})", "schema at /uniqueItems");
  expect_refused(R"({"prefixItems":[true],"items":false,"minItems":2})", "schema at /minItems");
}

TEST(Schema, TakesValuesOfConstAndEnum) {
  expect_language(R"({"enum":["Rare","Rare Holo",null,3,{"b":[1],"a":"\n"}]})",
                  {R"("Rare")", R"("Rare Holo")", "null", "3", R"({"b":[1],"a":"\n"})"},
                  {R"("Rar")", R"({"a":"\n","b":[1]})", "3.0"});
  expect_language(R"({"type":["string","null"],"enum":["a","abc",null,1],"maxLength":2})", {R"("a")", "null"},
                  {R"("abc")", "1"});
  expect_language(R"({"const":2,"minimum":1})", {"2"}, {"1"});
  expect_refused(R"({"enum":[]})", "schema at /enum");
  expect_refused(R"({"type":"integer","enum":["a"]})", "schema at /enum");
  expect_refused(R"({"enum":["a"],"pattern":"a"})", "schema at /pattern: not supported beside enum");
}

TEST(Schema, TakesAlternatives) {
  expect_language(R"({"anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
                               {"type":"object","properties":{"a":{"type":"string"},"b":{"const":1}},"required":["a"]}]})",
                  {R"({"a":12})", R"({"a":"x"})", R"({"a":"x","b":1})"},
                  {R"({"a":12,"b":1})", R"({"a":null})"});
  expect_language(
      R"({"type":"string","anyOf":[{"type":["integer","string"],"maxLength":1},{"const":"abc"}]})",
      {R"("a")", R"("abc")"}, {"1", R"("ab")"});
  expect_language(R"({"allOf":[{"$ref":"#/$defs/x~1y"}],"$defs":{"x/y":{"const":1}},"description":"d"})",
                  {"1"}, {"2"});
}

TEST(Schema, TakesOneOfOnlyWhereItsSchemasExcludeEachOther) {
  expect_language(R"({"oneOf":[{"type":"string"},{"type":["null","integer"]}]})", {R"("a")", "null", "3"},
                  {"true"});
  expect_language(R"({"oneOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{
    "a":{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"null"}},"required":["kind"]},
    "b":{"type":"object","properties":{"kind":{"enum":["b","c"]}},"required":["kind"]}}})",
                  {R"({"kind":"a","x":null})", R"({"kind":"c"})"}, {R"({"kind":"b","x":null})"});
  expect_refused(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "schemas 0 and 1 may both fit");
  expect_refused(R"({"oneOf":[{"type":"string"},{"maxLength":3}]})", "schema at /oneOf");
}

TEST(Schema, FollowsRecursionToItsLimit) {
  const char* list =
      R"({"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["next"]})";
  expect_language(list, {R"({"next":null})", R"({"next":{"next":{"next":null}}})"},
                  {R"({"next":{"next":{"next":{"next":null}}}})", "null"}, {.max_recursion = 2});
  expect_refused(R"({"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]})",
                 "without a way to end");
  expect_refused(R"({"$ref":"#"})", "without a way to end");
  expect_refused(R"({"$ref":"#/$defs/none"})", "schema at /$ref");
  expect_refused(R"({"$ref":"https://example.com/schema"})", "schema at /$ref");
}

TEST(Schema, TakesAnyValueWhereNothingIsSaid) {
  expect_language("true", {"1", R"({"a":[{"b":null}]})", R"("x")"}, {"", "{", "[[[[[[[[[[[]]]]]]]]]]]"});
  expect_language(R"({"type":"object"})", {"{}", R"({"a":1,"b":{}})"}, {"[]", R"({"a"})"});
  expect_language(R"({"type":"object","additionalProperties":{"type":"integer"}})",
                  {"{}", R"({"x":1,"y":2})"}, {R"({"x":"1"})"});
  expect_language(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"x":1})"});
  const auto object = Grammar::any_object({.max_recursion = 2});
  EXPECT_TRUE((*object)->matches(R"({"a":[1,true]})"));
  EXPECT_FALSE((*object)->matches(R"({"a":[[1]]})"));
  EXPECT_FALSE((*object)->matches("[]"));
}

TEST(Schema, RefusesWhatItDoesNotImplementByName) {
  for (const char* keyword :
       {"not", "if", "patternProperties", "contains", "dependentRequired", "minProperties", "propertyNames",
        "$anchor", "unevaluatedProperties", "nullable", "misspelt"}) {
    expect_refused(std::string(R"({"properties":{"a/b":{")") + keyword + R"(":{}}}})",
                   std::string("schema at /properties/a~1b/") + keyword + ": this keyword is not supported");
  }
  expect_refused(R"({"properties":{},"additionalProperties":true})", "schema at /additionalProperties");
  expect_refused(R"({"properties":{},"required":["x"]})", "\"x\" is not among the properties");
  expect_refused(R"({"type":"text"})", "schema at /type");
  expect_refused("false", "nothing fits");
  expect_refused("3", "expected a schema");
}

TEST(Schema, IgnoresAnnotations) {
  expect_language(
      R"({"$schema":"x","$id":"y","$comment":"c","title":"t","description":"d","default":1,"examples":[1],"const":2})",
      {"2"}, {"1"});
}

TEST(Schema, IsRefusedBeyondTheLimits) {
  expect_refused(R"({"a":1,"a":2})", "stands twice");
  expect_refused(std::string(200, '[') + std::string(200, ']'), "nested deeper");
  expect_refused(std::string(100'000, ' '), "over the limit");
  expect_refused(R"({"type":"string","minLength":1000000})", "shortest answer");
  // A billion items in few bytes.
  std::string schema = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 9; ++i) {
    schema += "\"d" + std::to_string(i) + R"(":{"type":"array","minItems":10,"items":{"$ref":"#/$defs/d)" +
              std::to_string(i + 1) + "\"}},";
  }
  expect_refused(schema + R"("d9":{"type":"null"}}})", "shortest answer");
  std::string chain = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 999; ++i)
    chain += "\"d" + std::to_string(i) + R"(":{"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"},";
  expect_refused(chain + R"("d999":{"type":"null"}}})", "schemas inside one another");
}

TEST(Choices, AreExactlyTheTexts) {
  const std::vector<std::string> texts = {"margherita", "marinara", "pizza \"al taglio\"", "mar"};
  const auto grammar = Grammar::one_of(texts);
  ASSERT_TRUE(grammar);
  for (const std::string& text : texts) EXPECT_TRUE((*grammar)->matches(text));
  EXPECT_FALSE((*grammar)->matches("marg"));
  EXPECT_FALSE((*grammar)->matches(""));
  EXPECT_FALSE(Grammar::one_of({}));
  EXPECT_FALSE(Grammar::one_of(std::vector<std::string>{"a", ""}));
  EXPECT_FALSE(Grammar::one_of(std::vector<std::string>{"a\n"}));
  EXPECT_FALSE(Grammar::one_of(std::vector<std::string>{"\xff"}));
}

}  // namespace
}  // namespace fovea::grammar
