#include "text/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "text/tiny_tokenizer.h"

namespace fovea::text {
namespace {

using test::add_token;
using test::build;
using test::byte_tokenizer;
using test::Json;
using testing::ElementsAre;
using testing::IsEmpty;

AddedToken token(std::int32_t id, std::string content) {
  return {.id = id,
          .content = std::move(content),
          .special = false,
          .normalized = false,
          .single_word = false,
          .lstrip = false,
          .rstrip = false};
}

/// The parts as "text" and "#id".
std::vector<std::string> split(const std::vector<AddedToken>& tokens, const std::string& text) {
  std::vector<std::string> shown;
  for (const auto& part : AddedTokenSplitter(tokens).split(text)) {
    shown.push_back(part.id ? "#" + std::to_string(*part.id) : std::string(part.text));
  }
  return shown;
}

TEST(AddedTokens, CutTheTextWhereTheyStand) {
  const std::vector<AddedToken> tokens = {token(7, "<image>")};
  EXPECT_THAT(split(tokens, "a<image>b"), ElementsAre("a", "#7", "b"));
  EXPECT_THAT(split(tokens, "<image><image>"), ElementsAre("#7", "#7"));
  EXPECT_THAT(split(tokens, "<imagine> <image"), ElementsAre("<imagine> <image"));
  EXPECT_THAT(split(tokens, "<<image>>"), ElementsAre("<", "#7", ">"));
  EXPECT_THAT(split(tokens, ""), IsEmpty());
  EXPECT_THAT(split({}, "abc"), ElementsAre("abc"));
}

TEST(AddedTokens, MatchTheLeftmostThenTheLongest) {
  EXPECT_THAT(split({token(1, "ab"), token(2, "abcd"), token(3, "bcde")}, "abcde"), ElementsAre("#2", "e"));
  EXPECT_THAT(split({token(1, "ab"), token(2, "abcd"), token(3, "bcde")}, "abce"), ElementsAre("#1", "ce"));
  EXPECT_THAT(split({token(1, "bc"), token(2, "abx")}, "abc"), ElementsAre("a", "#1"));
  EXPECT_THAT(split({token(1, "\n"), token(2, "\n\n"), token(3, "\n\n\n")}, "\n\n\n\n\n"),
              ElementsAre("#3", "#2"));
}

/// Leftmost-longest by trying every token at every place.
std::vector<std::string> split_plainly(const std::vector<AddedToken>& tokens, const std::string& text) {
  std::vector<std::string> shown;
  std::string pending;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* longest = nullptr;
    for (const AddedToken& candidate : tokens) {
      const bool longer = longest == nullptr || candidate.content.size() > longest->content.size();
      if (longer && std::string_view(text).substr(at).starts_with(candidate.content)) longest = &candidate;
    }
    if (longest == nullptr) {
      pending += text[at++];
      continue;
    }
    if (!pending.empty()) shown.push_back(std::exchange(pending, {}));
    shown.push_back("#" + std::to_string(longest->id));
    at += longest->content.size();
  }
  if (!pending.empty()) shown.push_back(pending);
  return shown;
}

TEST(AddedTokens, MatchAsTryingEveryTokenAtEveryPlaceDoes) {
  std::mt19937 random(3);
  const auto random_string = [&](std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<AddedToken> tokens;
    tokens.reserve(6);
    for (int i = 0; i < 6; ++i) tokens.push_back(token(i, random_string(1 + random() % 6)));
    const std::string text = random_string(random() % 30);
    EXPECT_EQ(split(tokens, text), split_plainly(tokens, text)) << text;
  }
}

TEST(AddedTokens, TakeWhitespaceAlongWhereTheyAreToStripIt) {
  AddedToken left = token(1, "<l>");
  left.lstrip = true;
  AddedToken right = token(2, "<r>");
  right.rstrip = true;
  const std::vector<AddedToken> tokens = {left, right};
  EXPECT_THAT(split(tokens, "a \u3000\n<l> b"), ElementsAre("a", "#1", " b"));
  EXPECT_THAT(split(tokens, "a <r>\t\u00a0b"), ElementsAre("a ", "#2", "b"));
  EXPECT_THAT(split(tokens, " <l>"), ElementsAre("#1"));
  EXPECT_THAT(split(tokens, "<r>  "), ElementsAre("#2"));
  // What the one before has taken is gone.
  EXPECT_THAT(split(tokens, "<r>  <l>"), ElementsAre("#2", "#1"));
}

TEST(AddedTokens, ThatAreSingleWordsDoNotTouchWordCharacters) {
  AddedToken word = token(1, "<w>");
  word.single_word = true;
  const std::vector<AddedToken> tokens = {word};
  EXPECT_THAT(split(tokens, "<w>"), ElementsAre("#1"));
  EXPECT_THAT(split(tokens, "a <w>, b"), ElementsAre("a ", "#1", ", b"));
  for (const char* beside : {"a", "1", "_", "\u00e9", "\u0301", "\u65e5", "\u200d", "\u24b6"}) {
    EXPECT_THAT(split(tokens, std::string("<w>") + beside), ElementsAre(std::string("<w>") + beside));
    EXPECT_THAT(split(tokens, std::string(beside) + "<w>"), ElementsAre(std::string(beside) + "<w>"));
  }
  for (const char* beside : {"-", " ", "\u00b2", "\U0001f600"}) {
    EXPECT_THAT(split(tokens, std::string("<w>") + beside), ElementsAre("#1", beside));
  }
}

TEST(AddedTokens, ThatAreRefusedAsWordsHideThoseThatOverlapThem) {
  AddedToken word = token(1, "ab");
  word.single_word = true;
  EXPECT_THAT(split({word, token(2, "bc")}, "abc abc"), ElementsAre("abc abc"));
}

TEST(AddedTokens, AreSearchedInNormalisedTextWhereTheyAreNormalised) {
  Json file = byte_tokenizer();
  file["normalizer"] = {{"type", "NFC"}};
  add_token(file, "<e\u0301>", 256, {{"normalized", true}});
  add_token(file, "<o\u0301>", 257);
  const Tokenizer tokenizer = build(file);
  EXPECT_THAT(tokenizer.encode("<e\u0301><\u00e9>"), ElementsAre(256, 256));
  EXPECT_THAT(tokenizer.encode("<o\u0301>"), ElementsAre(257));
  EXPECT_THAT(tokenizer.encode("<\u00f3>"), ElementsAre('<', 0xC3, 0xB3, '>'));
}

TEST(AddedTokens, ThatAreNotNormalisedAreSearchedFirst) {
  Json file = byte_tokenizer();
  add_token(file, "abc", 256, {{"normalized", true}});
  add_token(file, "cd", 257);
  EXPECT_THAT(build(file).encode("abcd"), ElementsAre('a', 'b', 257));
}

TEST(AddedTokens, KeepWhatTheyCutApartFromMerging) {
  Json file = byte_tokenizer();
  test::add_merges(file, {{"a", "b"}});
  add_token(file, "<x>", 257);
  EXPECT_THAT(build(file).encode("a<x>bab"), ElementsAre('a', 257, 'b', 256));
}

}  // namespace
}  // namespace fovea::text
