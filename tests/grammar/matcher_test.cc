#include "grammar/matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <thread>
#include <vector>

#include "grammar/grammar_cache.h"
#include "grammar/vocabularies.h"
#include "text/tiny_tokenizer.h"

namespace fovea::grammar {
namespace {

using test::card_vocabulary;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kCard = R"({"type":"object","properties":{
  "name":{"type":"string","maxLength":40},
  "hp":{"type":["integer","null"],"minimum":10,"maximum":400},
  "collector_number":{"type":["string","null"]},
  "set_name":{"type":["string","null"]},
  "rarity":{"enum":["Common","Uncommon","Rare",null]},
  "stage":{"enum":["Basic","Stage 1","Stage 2",null]},
  "first_edition":{"type":"boolean"}},
  "required":["name","hp","collector_number","set_name","rarity","stage","first_edition"]})";

Matcher matcher(std::string_view schema, const test::Vocabulary& vocabulary = card_vocabulary()) {
  auto grammar = Grammar::from_schema_text(schema);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return Matcher(std::make_shared<const TokenGrammar>(*grammar, vocabulary.tokens));
}

/// The texts of the tokens that may come.
std::vector<std::string> permitted(const Matcher& matcher) {
  std::vector<std::uint64_t> mask(matcher.vocabulary().mask_words());
  const std::size_t bits = matcher.fill_mask(mask);
  std::vector<std::string> texts;
  for (std::int32_t id = 0; static_cast<std::size_t>(id) < matcher.vocabulary().size(); ++id) {
    if (!test::bit(mask, id)) continue;
    texts.emplace_back(matcher.vocabulary().is_eos(id) ? "<eos>" : matcher.vocabulary().bytes(id));
  }
  EXPECT_EQ(texts.size(), bits);
  return texts;
}

TEST(Vocabulary, KeepsSpecialTokensOut) {
  const TokenVocabulary& tokens = *card_vocabulary().tokens;
  EXPECT_EQ(tokens.bytes(263), "{\"name\":\"");
  EXPECT_EQ(tokens.bytes(4), "");  // <image>
  EXPECT_EQ(tokens.bytes(6), "");  // <end_of_utterance>
  EXPECT_EQ(tokens.bytes(-1), "");
  EXPECT_EQ(tokens.bytes(100'000), "");
  EXPECT_TRUE(tokens.is_eos(6));
  EXPECT_EQ(tokens.longest_token(), std::string("Read this trading card. Answer in JSON.").size());
}

TEST(Vocabulary, HoldsEveryTokenOnceInItsTrie) {
  const TokenVocabulary& tokens = *test::large_vocabulary().tokens;
  std::size_t found = 0;
  std::string path;
  for (const TokenVocabulary::Node& node : tokens.nodes()) {
    path.resize(node.depth - 1U);
    path += static_cast<char>(node.byte);
    for (std::uint32_t i = 0; i < node.tokens; ++i)
      EXPECT_EQ(tokens.bytes(tokens.sorted_ids()[node.first_token + i]), path);
    found += node.tokens;
  }
  EXPECT_EQ(found, tokens.sorted_ids().size());
  EXPECT_GT(found, 49'000U);
}

TEST(Vocabulary, ReachesToTheModelsHead) {
  const TokenVocabulary tokens(card_vocabulary().tokenizer, {}, 1000);
  EXPECT_EQ(tokens.size(), 1000U);
  EXPECT_EQ(tokens.mask_words(), 16U);
}

TEST(Matcher, PermitsWholeTokensThatCrossTheGrammarsParts) {
  Matcher m = matcher(kCard);
  EXPECT_THAT(permitted(m), ElementsAre("{", "{\"name\":\""));
  ASSERT_TRUE(m.accept(263));
  ASSERT_TRUE(m.accept_bytes("Mew"));
  EXPECT_TRUE(m.accept(264));  // ","hp":
  EXPECT_THAT(permitted(m), ElementsAre("1", "2", "3", "4", "5", "6", "7", "8", "9", "n", "null"));
  ASSERT_TRUE(m.accept_bytes("40"));
  EXPECT_THAT(permitted(m), ElementsAre(",", "0", ",\"collector_number\":"));
}

TEST(Matcher, EndsWhereTheAnswerIsComplete) {
  Matcher m = matcher(R"({"enum":[1,12]})");
  EXPECT_FALSE(m.accept(6));
  ASSERT_TRUE(m.accept_bytes("1"));
  EXPECT_TRUE(m.can_end());
  EXPECT_FALSE(m.must_end());
  EXPECT_THAT(permitted(m), ElementsAre("<eos>", "2"));
  ASSERT_TRUE(m.accept_bytes("2"));
  EXPECT_TRUE(m.must_end());
  EXPECT_THAT(permitted(m), ElementsAre("<eos>"));
  ASSERT_TRUE(m.accept(6));
  EXPECT_TRUE(m.ended());
  EXPECT_THAT(permitted(m), IsEmpty());
  EXPECT_FALSE(m.accept(6));
  EXPECT_FALSE(m.accept_bytes("3"));
  m.rollback(2);
  EXPECT_FALSE(m.ended());
  EXPECT_THAT(permitted(m), ElementsAre("<eos>", "2"));
}

TEST(Matcher, LeavesItsStateAloneWhereATokenMayNotCome) {
  Matcher m = matcher(R"({"const":"abc"})");
  EXPECT_FALSE(m.accept_bytes("\"abd"));
  EXPECT_FALSE(m.accept(4));
  EXPECT_FALSE(m.accept(-1));
  EXPECT_EQ(m.steps(), 0U);
  EXPECT_TRUE(m.accept_bytes("\"abc\""));
}

TEST(Matcher, IsAValue) {
  Matcher m = matcher(R"({"enum":["ab","ac"]})");
  ASSERT_TRUE(m.accept_bytes("\"a"));
  Matcher other = m;
  ASSERT_TRUE(m.accept_bytes("b"));
  ASSERT_TRUE(other.accept_bytes("c"));
  EXPECT_EQ(m.forced_bytes(), "\"");
  m.rollback(2);
  EXPECT_EQ(m.forced_bytes(), "\"a");
  EXPECT_TRUE(other.accept_bytes("\""));
}

TEST(Masks, AreSharedInsideALongString) {
  auto grammar = std::make_shared<const TokenGrammar>(
      Grammar::from_schema_text(R"({"type":"string"})").value(), card_vocabulary().tokens);
  Matcher m(grammar);
  ASSERT_TRUE(m.accept_bytes("\""));
  for (int i = 0; i < 500; ++i) {
    EXPECT_GT(permitted(m).size(), 90U);
    ASSERT_TRUE(m.accept_bytes("x"));
  }
  EXPECT_EQ(grammar->statistics().misses, 2U);  // before the first character, and after
  EXPECT_EQ(grammar->statistics().hits, 498U);
}

TEST(Masks, NarrowWhereAStringNearsItsEnd) {
  Matcher m = matcher(R"({"type":"string","maxLength":4})");
  ASSERT_TRUE(m.accept_bytes("\"abc"));
  EXPECT_THAT(permitted(m), testing::Contains("x"));
  EXPECT_THAT(permitted(m), testing::Not(testing::Contains("null")));
  ASSERT_TRUE(m.accept_bytes("d"));
  EXPECT_THAT(permitted(m), ElementsAre("\""));
}

TEST(Masks, AreBoundedInNumber) {
  const auto grammar = std::make_shared<const TokenGrammar>(
      Grammar::from_schema_text(R"({"type":"string","maxLength":30})").value(), card_vocabulary().tokens,
      5000);
  Matcher m(grammar);
  ASSERT_TRUE(m.accept_bytes("\""));
  for (int i = 0; i < 30; ++i) {
    permitted(m);
    ASSERT_TRUE(m.accept_bytes("x"));
  }
  EXPECT_LE(grammar->statistics().masks, 5000U / 512U);
  EXPECT_GT(grammar->statistics().masks, 1U);
}

TEST(Masks, AreTheSameFromManyThreads) {
  const auto grammar = std::make_shared<const TokenGrammar>(Grammar::from_schema_text(kCard).value(),
                                                            card_vocabulary().tokens, 20'000);
  const std::string answer =
      R"({"name":"Mew","hp":60,"collector_number":"7/102","set_name":null,"rarity":"Rare","stage":"Basic","first_edition":true})";
  const auto run = [&] {
    std::vector<std::vector<std::string>> all;
    Matcher m(grammar);
    for (const char byte : answer) {
      all.push_back(permitted(m));
      m.accept_bytes({&byte, 1});
    }
    return all;
  };
  const auto expected = run();
  std::vector<std::vector<std::vector<std::string>>> results(4);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results) threads.emplace_back([&] { result = run(); });
  }
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

TEST(GrammarCache, CompilesASchemaOnce) {
  GrammarCache cache(card_vocabulary().tokens, 2);
  const auto first = cache.from_schema_text(R"({"const":1})");
  ASSERT_TRUE(first);
  EXPECT_EQ(cache.from_schema_text(R"({"const":1})").value(), *first);
  EXPECT_NE(cache.from_schema_text(R"({"const":1})", {.layout = Layout::kSpaced}).value(), *first);
  EXPECT_EQ(cache.from_schema_text(R"({"const":1})").value(), *first);
  ASSERT_TRUE(cache.any_object());
  ASSERT_TRUE(cache.one_of(std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(cache.statistics().grammars, 2U);
  EXPECT_NE(cache.from_schema_text(R"({"const":1})").value(), *first);  // was dropped
  EXPECT_EQ(cache.statistics().hits, 2U);
  EXPECT_FALSE(cache.from_schema_text("{"));
}

std::vector<std::string> texts(const TokenVocabulary& vocabulary, const std::vector<std::int32_t>& ids) {
  std::vector<std::string> result;
  for (const std::int32_t id : ids) result.emplace_back(vocabulary.bytes(id));
  return result;
}

TEST(ForcedBytes, AreWhatTheSchemaDictates) {
  Matcher m = matcher(kCard);
  EXPECT_EQ(m.forced_bytes(), "{\"name\":\"");
  ASSERT_TRUE(m.accept_bytes("{\"name\":\"Mew"));
  EXPECT_EQ(m.forced_bytes(), "");
  ASSERT_TRUE(m.accept_bytes("\""));
  EXPECT_EQ(m.forced_bytes(), ",\"hp\":");
}

TEST(Jump, AppendsTheTokensThatTheTokenizerHasForDictatedText) {
  const auto& [tokenizer, tokens] = card_vocabulary();
  Matcher m = matcher(kCard);
  JumpPlan plan = plan_jump(tokenizer, m, {});
  EXPECT_EQ(plan.keep, 0U);
  EXPECT_THAT(texts(*tokens, plan.append), ElementsAre("{\"name\":\""));
  std::vector<std::int32_t> ids = plan.append;
  for (const std::int32_t id : ids) ASSERT_TRUE(m.accept(id));
  // The quote that the model chose becomes part of a token, so it is taken back.
  for (const std::int32_t id : tokenizer.encode("Mew\"")) {
    ASSERT_TRUE(m.accept(id));
    ids.push_back(id);
  }
  plan = plan_jump(tokenizer, m, ids);
  EXPECT_EQ(plan.keep, 4U);
  EXPECT_THAT(texts(*tokens, plan.append), ElementsAre("\",\"hp\":"));
}

TEST(Jump, LeavesTheEndToTheModelWhereATokenGoesOnBeyondIt) {
  text::test::Json file = text::test::byte_tokenizer();
  text::test::add_merges(file, {{"\"", "x"}, {"a", "\""}, {"a\"", ":"}});
  text::test::add_token(file, "<eos>", 300, {{"special", true}});
  const auto vocabulary = test::make_vocabulary(text::test::parse(file), "<eos>");
  Matcher m = matcher(R"({"properties":{"a":{"type":"string"}},"required":["a"]})", vocabulary);
  EXPECT_EQ(m.forced_bytes(), "{\"a\":\"");
  // The last quote stays: `"x` may be what the model wants.
  EXPECT_THAT(texts(*vocabulary.tokens, plan_jump(vocabulary.tokenizer, m, {}).append),
              ElementsAre("{", "\"", "a\":"));
}

TEST(Jump, NeverAppendsASpecialToken) {
  const auto& [tokenizer, tokens] = card_vocabulary();
  const Matcher m = matcher(R"({"const":"ab<image>c"})");
  EXPECT_EQ(m.forced_bytes(), "\"ab<image>c\"");
  EXPECT_THAT(texts(*tokens, plan_jump(tokenizer, m, {}).append), ElementsAre("\"", "a", "b"));
}

TEST(Jump, DoesNothingWhereNothingIsDictated) {
  const auto& [tokenizer, tokens] = card_vocabulary();
  const JumpPlan plan = plan_jump(tokenizer, matcher(R"({"enum":["a",1]})"), {});
  EXPECT_EQ(plan.keep, 0U);
  EXPECT_THAT(plan.append, IsEmpty());
}

}  // namespace
}  // namespace fovea::grammar
