#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/paths.h"
#include "text/tiny_tokenizer.h"
#include "text/unicode.h"

namespace fovea::text {
namespace {

using test::add_merges;
using test::add_token;
using test::build;
using test::byte_tokenizer;
using test::Json;
using testing::ElementsAre;
using testing::IsEmpty;

using Ids = std::vector<std::int32_t>;

Ids bytes_as_ids(std::string_view text) {
  Ids ids;
  for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
  return ids;
}

TEST(Tokenizer, EncodesNothingAsNothing) {
  const Tokenizer tokenizer = build(byte_tokenizer());
  EXPECT_THAT(tokenizer.encode(""), IsEmpty());
  EXPECT_EQ(tokenizer.decode({}, false), "");
}

TEST(Tokenizer, AppliesTheMergeOfLowestRankFirstAndTheLeftmostAmongEquals) {
  Json file = byte_tokenizer();
  add_merges(file, {{"b", "c"}, {"a", "b"}, {"a", "a"}, {"aa", "a"}});  // 256 to 259
  const Tokenizer tokenizer = build(file);
  EXPECT_THAT(tokenizer.encode("abc"), ElementsAre('a', 256));
  EXPECT_THAT(tokenizer.encode("aaa"), ElementsAre(259));
  EXPECT_THAT(tokenizer.encode("aaaa"), ElementsAre(258, 258));
  EXPECT_THAT(tokenizer.encode("aaaaa"), ElementsAre(258, 259));
  EXPECT_THAT(tokenizer.encode("aab"), ElementsAre('a', 257));
}

TEST(Tokenizer, TakesMergesAsStringsToo) {
  Json file = byte_tokenizer();
  file["model"]["vocab"]["ab"] = 256;
  file["model"]["merges"] = {"#version: 0.2", "a b"};
  EXPECT_THAT(build(file).encode("abab"), ElementsAre(256, 256));
}

TEST(Tokenizer, GivesAPairThatIsListedTwiceItsLastRank) {
  Json file = byte_tokenizer();
  add_merges(file, {{"a", "b"}, {"b", "c"}});
  file["model"]["merges"].push_back({"a", "b"});
  EXPECT_THAT(build(file).encode("abc"), ElementsAre('a', 257));
}

TEST(Tokenizer, DropsBytesThatTheVocabularyLacksBeforeMerging) {
  Json file = byte_tokenizer();
  add_merges(file, {{"a", "b"}});
  file["model"]["vocab"].erase("x");
  const Tokenizer tokenizer = build(file);
  EXPECT_THAT(tokenizer.encode("axb"), ElementsAre(256));
  EXPECT_THAT(tokenizer.encode("xxx"), IsEmpty());
}

TEST(Tokenizer, TakesTheUnknownTokenForMissingBytesWhereThereIsOne) {
  Json file = byte_tokenizer();
  file["model"]["vocab"].erase("x");
  file["model"]["vocab"]["<unk>"] = 300;
  file["model"]["unk_token"] = "<unk>";
  EXPECT_THAT(build(file).encode("axxbx"), ElementsAre('a', 300, 300, 'b', 300));
  file["model"]["fuse_unk"] = true;
  EXPECT_THAT(build(file).encode("axxbx"), ElementsAre('a', 300, 'b', 300));
}

TEST(Tokenizer, LooksWholePiecesUpWhereMergesAreToBeIgnored) {
  Json file = byte_tokenizer();
  file["model"]["vocab"]["Ġab"] = 300;  // no merge leads here
  EXPECT_THAT(build(file).encode(" ab"), ElementsAre(' ', 'a', 'b'));
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(build(file).encode(" ab"), ElementsAre(300));
  EXPECT_THAT(build(file).encode(" abc"), ElementsAre(' ', 'a', 'b', 'c'));
}

TEST(Tokenizer, NormalisesToFormCWhereTheFileSaysSo) {
  Json file = byte_tokenizer();
  EXPECT_EQ(build(file).encode("e\u0301"), bytes_as_ids("e\u0301"));
  file["normalizer"] = {{"type", "NFC"}};
  EXPECT_EQ(build(file).encode("e\u0301"), bytes_as_ids("\u00e9"));
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "NFC"}}})}};
  EXPECT_EQ(build(file).encode("e\u0301"), bytes_as_ids("\u00e9"));
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
  EXPECT_EQ(build(file).encode("e\u0301"), bytes_as_ids("e\u0301"));
}

TEST(Tokenizer, AddsASpaceBeforeEveryPieceThatLacksOneWhereTheFileSaysSo) {
  Json file = byte_tokenizer();
  file["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(build(file).encode("a"), bytes_as_ids(" a"));
  EXPECT_EQ(build(file).encode(" a"), bytes_as_ids(" a"));
  EXPECT_THAT(build(file).encode(""), IsEmpty());
  file["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", Json::array({{{"type", "Digits"}, {"individual_digits", true}},
                                                          file["pre_tokenizer"]})}};
  EXPECT_EQ(build(file).encode("ab12"), bytes_as_ids(" ab 1 2"));
}

TEST(Tokenizer, TakesBytesThatAreNotUtf8AsTheReplacementCharacter) {
  const Tokenizer tokenizer = build(byte_tokenizer());
  EXPECT_EQ(tokenizer.encode("a\xff"
                             "b\xe2\x82"),
            bytes_as_ids("a\uFFFDb\uFFFD"));
}

TEST(Tokenizer, DecodesBytesThatDoNotFormUtf8AsTheReplacementCharacter) {
  const Tokenizer tokenizer = build(byte_tokenizer());
  EXPECT_EQ(tokenizer.decode(bytes_as_ids("a\xe2\x82"
                                          "b\xff"),
                             false),
            "a\uFFFDb\uFFFD");
  // A character may be spread over several tokens.
  EXPECT_EQ(tokenizer.decode(bytes_as_ids("\u20ac"), false), "\u20ac");
}

TEST(Tokenizer, SkipsIdsThatDoNotExist) {
  Json file = byte_tokenizer();
  add_token(file, "<end>", 300);
  const Tokenizer tokenizer = build(file);
  EXPECT_EQ(tokenizer.size(), 301);
  EXPECT_EQ(tokenizer.decode(Ids{'a', -1, 256, 299, 301, INT32_MAX, INT32_MIN, 300}, false), "a<end>");
  EXPECT_EQ(tokenizer.token_bytes(-1), "");
  EXPECT_EQ(tokenizer.token_bytes(299), "");
  EXPECT_FALSE(tokenizer.is_special(-1));
}

TEST(Tokenizer, DecodesAnEntryOutsideTheByteAlphabetAsItsOwnText) {
  Json file = byte_tokenizer();
  file["model"]["vocab"]["日本"] = 256;
  add_token(file, "two words", 257);
  EXPECT_EQ(build(file).decode(Ids{256, 257, ' '}, false), "日本two words ");
}

TEST(Tokenizer, DecodesAnAddedTokenLiterallyEvenIfItIsSpelledInByteSymbols) {
  Json file = byte_tokenizer();
  add_token(file, "é!", 256);
  add_token(file, "Ġ", 257);
  file["model"]["vocab"].erase("Ġ");
  const Tokenizer tokenizer = build(file);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("aé!Ġ"), false), "aé!Ġ");
}

TEST(Tokenizer, NamesTokensAndTheirBytes) {
  Json file = byte_tokenizer();
  add_merges(file, {{"Ġ", "a"}});
  add_token(file, "<end>", 257, {{"special", true}});
  const Tokenizer tokenizer = build(file);
  EXPECT_EQ(tokenizer.token_to_id("Ġa"), 256);
  EXPECT_EQ(tokenizer.token_to_id("<end>"), 257);
  EXPECT_EQ(tokenizer.token_to_id(" a"), std::nullopt);
  EXPECT_EQ(tokenizer.token_bytes(256), " a");
  EXPECT_EQ(tokenizer.token_bytes(0xE9), "\xe9");
  EXPECT_TRUE(tokenizer.is_special(257));
  EXPECT_FALSE(tokenizer.is_special(256));
}

TEST(Tokenizer, LeavesOnlySpecialTokensOutWhenDecodingWithoutThem) {
  Json file = byte_tokenizer();
  add_token(file, "<end>", 256, {{"special", true}});
  add_token(file, "<tool>", 257);
  const Tokenizer tokenizer = build(file);
  EXPECT_EQ(tokenizer.decode(Ids{256, 'a', 257, 256}, true), "a<tool>");
  EXPECT_EQ(tokenizer.decode(Ids{256, 'a', 257, 256}, false), "<end>a<tool><end>");
}

TEST(Tokenizer, MayBeUsedByManyThreadsAtOnce) {
  const Tokenizer tokenizer =
      Tokenizer::load(fovea::test::data_folder() / "golden/qwen25vl-tiny-f32").value();
  const std::string text = "Read the HP. 120 e\u0301 <|im_end|>\n\n return x";
  const Ids expected = tokenizer.encode(text);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) EXPECT_EQ(tokenizer.encode(text), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Tokenizer, IsMovable) {
  Tokenizer tokenizer = build(byte_tokenizer());
  Tokenizer moved = std::move(tokenizer);
  tokenizer = build(byte_tokenizer());
  EXPECT_THAT(moved.encode("a"), ElementsAre('a'));
  EXPECT_THAT(tokenizer.encode("a"), ElementsAre('a'));
}

// ---- against a plain implementation ----

/// Byte-pair encoding as its definition says, in cubic time.
Ids merge_plainly(std::vector<std::string> symbols, const Json& model) {
  while (true) {
    std::size_t best = model["merges"].size();
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (std::size_t rank = 0; rank < best; ++rank) {
        if (model["merges"][rank][0] == symbols[i] && model["merges"][rank][1] == symbols[i + 1]) {
          best = rank;
          place = i;
        }
      }
    }
    if (best == model["merges"].size()) break;
    symbols[place] += symbols[place + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) ids.push_back(model["vocab"][symbol].get<std::int32_t>());
  return ids;
}

TEST(Tokenizer, MergesAsThePlainAlgorithmDoes) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    Json file = byte_tokenizer();
    std::vector<std::string> tokens = {"a", "b", "c"};
    std::vector<std::pair<std::string, std::string>> merges;
    while (merges.size() < 12) {
      const std::string left = tokens[random() % tokens.size()];
      const std::string right = tokens[random() % tokens.size()];
      if (std::ranges::find(tokens, left + right) != tokens.end()) continue;
      merges.emplace_back(left, right);
      tokens.push_back(left + right);
    }
    add_merges(file, merges);
    const Tokenizer tokenizer = build(file);
    for (int text_index = 0; text_index < 20; ++text_index) {
      std::string text;
      std::vector<std::string> symbols;
      for (std::size_t i = random() % 40; i > 0; --i) {
        symbols.emplace_back(1, static_cast<char>('a' + random() % 3));
        text += symbols.back();
      }
      EXPECT_EQ(tokenizer.encode(text), merge_plainly(symbols, file["model"])) << text;
    }
  }
}

std::string random_text(std::mt19937& random) {
  // Characters of every class and length, and the strings that patterns and added tokens look for.
  static const std::vector<std::string> kParts = {"a",
                                                  "B",
                                                  "\u00e9",
                                                  "\u01c5",
                                                  "\u05d0",
                                                  "\u65e5",
                                                  "1",
                                                  "\u00b2",
                                                  "\u0663",
                                                  "\u216b",
                                                  " ",
                                                  "  ",
                                                  "\n",
                                                  "\r\n",
                                                  "\t",
                                                  "\u00a0",
                                                  "\u3000",
                                                  "\u2028",
                                                  "'",
                                                  "'s",
                                                  "'LL",
                                                  "'\u017f",
                                                  ".",
                                                  "-",
                                                  "\u0301",
                                                  "\u0316",
                                                  "\u200d",
                                                  "\U0001f600",
                                                  "\uac00",
                                                  "\u1100\u1161",
                                                  "<image>",
                                                  "<|im_end|>",
                                                  "<",
                                                  "|>",
                                                  "\uFFFD",
                                                  "\U0010ffff",
                                                  std::string(1, '\0'),
                                                  "\x7f"};
  std::string text;
  for (std::size_t i = random() % 30; i > 0; --i) {
    if (random() % 4 != 0) {
      text += kParts[random() % kParts.size()];
    } else if (const char32_t any = random() % 0x110000; any < 0xD800 || any > 0xDFFF) {
      append_utf8(any, text);
    }
  }
  return text;
}

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, GivesTheTextBackWhereTheVocabularyHasEveryByte) {
  const std::string name = GetParam();
  const auto folder = fovea::test::data_folder() / "golden" / name;
  const Tokenizer tokenizer = name.empty() ? build(byte_tokenizer()) : Tokenizer::load(folder).value();
  const bool nfc = name.starts_with("qwen");
  for (int byte = 0; byte < 256; ++byte) {
    ASSERT_TRUE(tokenizer.token_to_id(byte_symbol(static_cast<unsigned char>(byte)))) << byte;
  }
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    const std::string text = random_text(random);
    const std::string back = tokenizer.decode(tokenizer.encode(text), false);
    // Form C is taken of each segment between added tokens; of the whole, both have the same.
    EXPECT_EQ(nfc ? to_nfc(back) : back, nfc ? to_nfc(text) : text);
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, RoundTrip,
                         testing::Values("", "smolvlm-tiny-f32", "smolvlm-tiny-bf16-tied",
                                         "qwen25vl-tiny-f32"));

// ---- long texts: each of these would take minutes if any step were quadratic ----

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

TEST(LongTexts, OfOneWordAreMerged) {
  Json file = byte_tokenizer();
  std::vector<std::pair<std::string, std::string>> merges;
  for (std::string run = "a"; run.size() < 64; run += run) merges.emplace_back(run, run);
  add_merges(file, merges);
  const Tokenizer tokenizer = build(file);
  EXPECT_EQ(tokenizer.encode(std::string(kMegabyte, 'a')), Ids(kMegabyte / 64, 256 + 5));
}

TEST(LongTexts, OfAddedTokensAreSplit) {
  Json file = byte_tokenizer();
  add_token(file, "<end>", 256);
  std::string text;
  while (text.size() < kMegabyte) text += "<end>";
  EXPECT_EQ(build(file).encode(text), Ids(text.size() / 5, 256));
}

TEST(LongTexts, OfAlmostAddedTokensAreSearched) {
  Json file = byte_tokenizer();
  add_token(file, "a", 'a');
  add_token(file, std::string(100'000, 'a') + "b", 257);
  EXPECT_EQ(build(file).encode(std::string(kMegabyte, 'a')), Ids(kMegabyte, 'a'));
}

TEST(LongTexts, OfWhitespaceThatTokensStripAreSplit) {
  Json file = byte_tokenizer();
  add_token(file, " ", 256, {{"lstrip", true}, {"rstrip", true}});
  EXPECT_EQ(build(file).encode(std::string(kMegabyte, ' ')).size(), kMegabyte);
}

TEST(LongTexts, OfCombiningMarksAreNormalised) {
  Json file = byte_tokenizer();
  file["normalizer"] = {{"type", "NFC"}};
  std::string text;
  while (text.size() < kMegabyte) text += "\u0301\u0316";  // in the wrong order every time
  EXPECT_EQ(build(file).encode(text).size(), text.size());
}

TEST(LongTexts, OfWhitespaceAreCut) {
  for (const char* name : {"smolvlm-tiny-f32", "qwen25vl-tiny-f32"}) {
    const Tokenizer tokenizer = Tokenizer::load(fovea::test::data_folder() / "golden" / name).value();
    for (const char* space : {" ", "\n", "\n ", "\t", "\u3000"}) {
      std::string text;
      while (text.size() < kMegabyte / 4) text += space;
      text += "x";
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text), false), text);
    }
  }
}

}  // namespace
}  // namespace fovea::text
