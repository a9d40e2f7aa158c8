#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/program.h"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

Finished tokenize(const std::string& text, bool json = true) {
  std::vector<std::string> arguments{"tokenize", "--model", tiny_model().string()};
  if (json) arguments.emplace_back("--json");
  return run(arguments, {.input = text});
}

TEST(TokenizeTest, EqualsTheReferenceInEveryCase) {
  const auto cases = read_json_file(tiny_model() / "tokenizer_cases.json");
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  for (const auto& item : *cases) {
    const auto done = tokenize(item["text"].get<std::string>());
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const Json expected{{"ids", item["ids"]}, {"text", item["decoded"]}};
    EXPECT_EQ(done.out, expected.dump() + "\n") << item["text"];
  }
}

TEST(TokenizeTest, NothingAtTheEndIsTrimmed) {
  using namespace std::string_literals;
  const Json plain = Json::parse(tokenize("Hello").out);
  for (const std::string& end : {"\n"s, "\n\n"s, "\r\n"s, " \t"s, "\0"s, "\n\0\n"s}) {
    const auto done = tokenize("Hello" + end);
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const Json json = Json::parse(done.out);
    EXPECT_EQ(json["text"], "Hello" + end);
    EXPECT_GT(json["ids"].size(), plain["ids"].size());
  }
  EXPECT_EQ(tokenize("").out, "{\"ids\":[],\"text\":\"\"}\n");
}

TEST(TokenizeTest, AddedTokensAreRecognisedAndNoneIsAdded) {
  const Json json = Json::parse(tokenize("<|im_start|>User:<image><end_of_utterance>").out);
  EXPECT_EQ(json["ids"].front(), 1);
  EXPECT_EQ(json["ids"].back(), 9);
  EXPECT_EQ(json["text"], "<|im_start|>User:<image><end_of_utterance>");
}

TEST(TokenizeTest, BytesThatAreNoUtf8StillGiveJson) {
  const auto done = tokenize("a\xFF\xC3");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(Json::accept(done.out));
}

TEST(TokenizeTest, WithoutJsonPrintsALineForEachToken) {
  const auto done = tokenize("Hello, world!\n\xC3\xA9", false);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json json = Json::parse(tokenize("Hello, world!\n\xC3\xA9").out);
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(done.out, '\n')), json["ids"].size());
  EXPECT_TRUE(done.out.starts_with(json["ids"][0].dump() + "\t\"")) << done.out;
}

TEST(TokenizeTest, AMissingModelIsNamed) {
  const auto done = run({"tokenize", "--model", "/nonexistent", "--json"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, testing::HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace fovea::cli
