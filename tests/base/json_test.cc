#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/temporary_folder.h"

namespace fovea {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// The message of the error, which must be kInvalidJson.
std::string refusal(std::string_view text) {
  const auto value = parse_json(text, "body");
  if (value) return "accepted: " + value->dump();
  EXPECT_EQ(value.error().code, ErrorCode::kInvalidJson);
  EXPECT_THAT(value.error().message, StartsWith("body: not valid JSON: "));
  // Messages end in JSON answers, so they must be UTF-8 themselves: dump() throws where one is not.
  EXPECT_NO_THROW((void)json(value.error().message).dump());
  EXPECT_LT(value.error().message.size(), 400U);
  return value.error().message;
}

TEST(ParseJson, ReadsEveryKindOfValue) {
  const auto value = parse_json(
      R"( {"null": null, "true": true, "false": false, "int": -3, "big": 18446744073709551615, "float": 2.5e-3,
          "text": "a\u00e9\ud83d\ude00\n", "array": [1, [], {}, [2]], "object": {"a": {"a": 1}}, "": 0} )",
      "body");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_TRUE(value->at("null").is_null());
  EXPECT_EQ(value->at("true"), true);
  EXPECT_EQ(value->at("false"), false);
  EXPECT_EQ(value->at("int"), -3);
  EXPECT_EQ(value->at("big"), UINT64_MAX);
  EXPECT_EQ(value->at("float"), 2.5e-3);
  EXPECT_EQ(value->at("text"), "aé😀\n");
  EXPECT_EQ(value->at("array"), json::parse("[1, [], {}, [2]]"));
  EXPECT_EQ(value->at("object"), json::parse(R"({"a": {"a": 1}})"));
  EXPECT_EQ(value->at(""), 0);
}

TEST(ParseJson, ReadsScalarsAtTheTop) {
  EXPECT_EQ(parse_json("7", "body").value(), 7);
  EXPECT_EQ(parse_json("\"x\"", "body").value(), "x");
  EXPECT_TRUE(parse_json("null", "body").value().is_null());
}

TEST(ParseJson, RefusesNestingOf100000Levels) {
  EXPECT_THAT(refusal(repeated("[", 100'000)), HasSubstr("deeper than 64 levels"));
  EXPECT_THAT(refusal(repeated("[", 100'000) + repeated("]", 100'000)), HasSubstr("deeper than 64 levels"));
  EXPECT_THAT(refusal(repeated("{\"a\":", 100'000)), HasSubstr("deeper than 64 levels"));
}

TEST(ParseJson, CountsTheDepthOfOpenLevelsOnly) {
  EXPECT_TRUE(parse_json(repeated("[", 64) + repeated("]", 64), "body"));
  refusal(repeated("[", 65) + repeated("]", 65));
  EXPECT_TRUE(parse_json("[" + repeated("[],", 1000) + "[]]", "body"));
}

TEST(ParseJson, DestroysALegalButVeryDeepValueWithoutRecursion) {
  const std::size_t depth = 500'000;
  const auto value = parse_json(repeated("[", depth) + repeated("]", depth), "body", {.max_depth = depth});
  EXPECT_TRUE(value);
}

TEST(ParseJson, RefusesAKeyThatStandsTwiceInOneObject) {
  EXPECT_THAT(refusal(R"({"a": 1, "b": 2, "a": 3})"), HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(refusal(R"({"x": {"": 1, "": 2}})"), HasSubstr("\"\" stands twice"));
  EXPECT_THAT(refusal(R"({"a": [], "\u0061": {}})"), HasSubstr("stands twice"));  // the same key, escaped
}

TEST(ParseJson, AllowsTheSameKeyInDifferentObjects) {
  EXPECT_TRUE(parse_json(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})", "body"));
}

TEST(ParseJson, ShowsARepeatedKeyThatIsCutInsideACharacterAsUtf8) {
  const std::string key = std::string(79, 'k') + "é";
  refusal("{\"" + key + "\": 1, \"" + key + "\": 2}");
}

TEST(ParseJson, TellsKeysApartInAnObjectOf100000) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"k" + std::to_string(i) + "\": " + std::to_string(i) + ", ";
  const auto value = parse_json(text + "\"last\": 0}", "body");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->size(), 100'001U);
  EXPECT_THAT(refusal(text + "\"k7\": 0}"), HasSubstr("\"k7\" stands twice"));
}

TEST(ParseJson, RefusesBytesThatAreNotUtf8) {
  refusal("\"\xff\"");
  refusal("\"\xc3\"");              // cut short
  refusal("\"\xc0\xaf\"");          // overlong
  refusal("\"\xed\xa0\x80\"");      // a surrogate
  refusal("\"\xf4\x90\x80\x80\"");  // over U+10FFFF
  refusal("{\"\xe9\": 1}");
  refusal(R"("\ud800")");  // half a surrogate pair, escaped
  refusal("\xff");
}

TEST(ParseJson, RefusesTextAfterTheValue) {
  refusal("{} {}");
  refusal("1 2");
  refusal("[1],");
  refusal(R"("a" // comment)");
  EXPECT_TRUE(parse_json(" [1] \r\n\t ", "body"));
}

TEST(ParseJson, RefusesWhatFollowsANulByte) {
  EXPECT_THAT(refusal(std::string_view("{}\0garbage", 10)), HasSubstr("at byte 3: a NUL byte"));
  refusal(std::string_view("[1]\0", 4));
  refusal(std::string_view("\"a\0b\"", 5));
  EXPECT_EQ(parse_json(R"("a\u0000b")", "body").value(), std::string("a\0b", 3));
}

TEST(ParseJson, RefusesWhatIsNotANumberOfJson) {
  for (const char* text :
       {"NaN", "nan", "Infinity", "-Infinity", "01", "+1", "1.", ".5", "0x10", "1e", "--1"}) {
    refusal(text);
  }
}

TEST(ParseJson, RefusesNumbersTooLargeForADouble) {
  EXPECT_THAT(refusal("1e999"), HasSubstr("overflow"));
  refusal("[1, -1e400]");
  refusal(std::string(1'000'000, '9'));
}

TEST(ParseJson, TakesIntegersOver64BitsAsDoubles) {
  EXPECT_EQ(parse_json("18446744073709551616", "body").value(), 18446744073709551616.0);
}

TEST(ParseJson, RefusesMalformedText) {
  for (const char* text :
       {"",       " ",   "{",  "[",   "]",   "{]",       "[1 2]",   "[1,]",      "{\"a\"}",     "{\"a\":}",
        "{a: 1}", "'a'", "\"", "tru", "nul", "\"\x01\"", "\"\\x\"", "\"\\u12\"", "{\"a\": 1,}", "{1: 2}"}) {
    refusal(text);
  }
}

TEST(ParseJson, KeepsTheMessageShortWhenTheFaultFollowsAMegabyteString) {
  refusal("\"" + std::string(1'000'000, 'x') + "\xff\"");
  refusal("{\"a\": " + std::string(1'000'000, '-') + "}");
}

TEST(ParseJson, SaysWhereTheFaultIs) {
  EXPECT_THAT(refusal("[1,\n 2,\n x]"), HasSubstr("line 3, column 2"));
}

TEST(ParseJson, RefusesMoreBytesThanTheLimit) {
  EXPECT_TRUE(parse_json("[1]", "body", {.max_bytes = 3}));
  const auto value = parse_json("[1] ", "body", {.max_bytes = 3});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(value.error().message, HasSubstr("4 bytes of JSON, over the limit of 3"));
}

TEST(ParseOrderedJson, KeepsTheOrderOfMembersAndRefusesRepeatedKeys) {
  const auto value = parse_ordered_json(R"({"b":1,"a":{"d":[],"c":null}})", "test");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->dump(), R"({"b":1,"a":{"d":[],"c":null}})");
  const auto repeated = parse_ordered_json(R"({"x":{"b":1,"a":2,"b":3}})", "test");
  ASSERT_FALSE(repeated);
  EXPECT_THAT(repeated.error().message, testing::HasSubstr("the key \"b\" stands twice"));
}

TEST(ReadJsonFile, ReadsAFileAndNamesItInErrors) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "config.json";
  ASSERT_TRUE(write_file(path, R"({"a": 1})"));
  EXPECT_EQ(read_json_file(path).value().at("a"), 1);

  ASSERT_TRUE(write_file(path, R"({"a": )"));
  const auto damaged = read_json_file(path);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::kInvalidJson);
  EXPECT_THAT(damaged.error().message, StartsWith(path.string()));
}

TEST(ReadJsonFile, ReportsAMissingAndATooLargeFile) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(read_json_file(folder.path() / "none.json").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(write_file(folder.path() / "large.json", "[1, 2, 3]"));
  EXPECT_EQ(read_json_file(folder.path() / "large.json", {.max_bytes = 4}).error().code,
            ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace fovea
