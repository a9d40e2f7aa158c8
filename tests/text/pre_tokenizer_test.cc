#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fovea::text {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Pieces = std::vector<std::string>;

Pieces split(const PreTokenizer::Stages& stages, const std::string& text) {
  Pieces pieces;
  PreTokenizer(stages).split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

Pieces gpt2(const std::string& text) {
  return split({.splitters = {}, .byte_level_splits = true}, text);
}
Pieces qwen2(const std::string& text) {
  return split({.splitters = {Splitter::kQwen2}}, text);
}
Pieces smollm(const std::string& text) {
  return split({.splitters = {Splitter::kDigits}, .byte_level_splits = true}, text);
}

TEST(Digits, StandAloneWhateverTheirKind) {
  const auto digits = [](const std::string& text) { return split({.splitters = {Splitter::kDigits}}, text); };
  EXPECT_THAT(digits("ab12 c"), ElementsAre("ab", "1", "2", " c"));
  EXPECT_THAT(digits("x\u00b2\u00bc\u0663\u216b"), ElementsAre("x", "\u00b2", "\u00bc", "\u0663", "\u216b"));
  EXPECT_THAT(digits("abc"), ElementsAre("abc"));
  EXPECT_THAT(digits(""), IsEmpty());
}

TEST(DigitRuns, StandTogether) {
  const auto runs = [](const std::string& text) {
    return split({.splitters = {Splitter::kDigitRuns}}, text);
  };
  EXPECT_THAT(runs("ab12 c3"), ElementsAre("ab", "12", " c", "3"));
  EXPECT_THAT(runs("1\u0663"), ElementsAre("1\u0663"));
}

TEST(Gpt2Pattern, GivesAWordTheSpaceBeforeIt) {
  EXPECT_THAT(gpt2("Hello my friend"), ElementsAre("Hello", " my", " friend"));
  EXPECT_THAT(gpt2(" a 12 ?!"), ElementsAre(" a", " 12", " ?!"));
  EXPECT_THAT(gpt2("a1b\u00e9\u65e5"), ElementsAre("a", "1", "b\u00e9\u65e5"));
}

TEST(Gpt2Pattern, CutsLowerCaseContractionsOnly) {
  EXPECT_THAT(gpt2("it's"), ElementsAre("it", "'s"));
  EXPECT_THAT(gpt2("we'll've"), ElementsAre("we", "'ll", "'ve"));
  EXPECT_THAT(gpt2("I'd'm're't"), ElementsAre("I", "'d", "'m", "'re", "'t"));
  EXPECT_THAT(gpt2("IT'S"), ElementsAre("IT", "'", "S"));
  EXPECT_THAT(gpt2("'snow"), ElementsAre("'s", "now"));
  EXPECT_THAT(gpt2(" 's"), ElementsAre(" '", "s"));
  EXPECT_THAT(gpt2("''s"), ElementsAre("''", "s"));
}

TEST(Gpt2Pattern, LeavesTheLastWhitespaceOfARunToWhatFollows) {
  EXPECT_THAT(gpt2("a  b"), ElementsAre("a", " ", " b"));
  EXPECT_THAT(gpt2("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(gpt2("a\n\nb"), ElementsAre("a", "\n", "\n", "b"));
  EXPECT_THAT(gpt2("a\nb"), ElementsAre("a", "\n", "b"));
  EXPECT_THAT(gpt2("a \t\u3000b"), ElementsAre("a", " \t", "\u3000", "b"));
  EXPECT_THAT(gpt2("a\u00a0b"), ElementsAre("a", "\u00a0", "b"));
}

TEST(Gpt2Pattern, KeepsWhitespaceAtTheEndTogether) {
  EXPECT_THAT(gpt2("a \n "), ElementsAre("a", " \n "));
  EXPECT_THAT(gpt2("\n\n"), ElementsAre("\n\n"));
  EXPECT_THAT(gpt2(" "), ElementsAre(" "));
}

TEST(Gpt2Pattern, CutsAtCombiningMarks) {
  EXPECT_THAT(gpt2("e\u0301a"), ElementsAre("e", "\u0301", "a"));
}

TEST(SmolLm2Stages, SeeADigitAsTheEndOfThePieceBefore) {
  EXPECT_THAT(smollm(" 42"), ElementsAre(" ", "4", "2"));
  EXPECT_THAT(smollm("a  7"), ElementsAre("a", "  ", "7"));
  EXPECT_THAT(smollm("1st 2nd"), ElementsAre("1", "st", " ", "2", "nd"));
}

TEST(Qwen2Pattern, CutsContractionsInAnyCase) {
  EXPECT_THAT(qwen2("it's IT'S we'Ll"), ElementsAre("it", "'s", " IT", "'S", " we", "'Ll"));
  EXPECT_THAT(qwen2("'\u017fa"), ElementsAre("'\u017f", "a"));
  EXPECT_THAT(qwen2("'xa"), ElementsAre("'xa"));
}

TEST(Qwen2Pattern, AttachesOneCharacterToTheWordAfterIt) {
  EXPECT_THAT(qwen2("(word"), ElementsAre("(word"));
  EXPECT_THAT(qwen2("((word"), ElementsAre("((", "word"));
  EXPECT_THAT(qwen2("a\tb"), ElementsAre("a", "\tb"));
  EXPECT_THAT(qwen2("a\u00a0b \u3000c"), ElementsAre("a", "\u00a0b", " ", "\u3000c"));
  EXPECT_THAT(qwen2("a\nb\rc"), ElementsAre("a", "\n", "b", "\r", "c"));
  EXPECT_THAT(qwen2("\u0301a"), ElementsAre("\u0301a"));
  EXPECT_THAT(qwen2("1a"), ElementsAre("1", "a"));
}

TEST(Qwen2Pattern, KeepsNumbersSingleAndWithoutASpace) {
  EXPECT_THAT(qwen2(" 12\u00b2"), ElementsAre(" ", "1", "2", "\u00b2"));
  EXPECT_THAT(qwen2("  1"), ElementsAre(" ", " ", "1"));
}

TEST(Qwen2Pattern, AttachesNewlinesToThePunctuationBefore) {
  EXPECT_THAT(qwen2("a.\n\nb"), ElementsAre("a", ".\n\n", "b"));
  EXPECT_THAT(qwen2("a ;\r\n b"), ElementsAre("a", " ;\r\n", " b"));
}

TEST(Qwen2Pattern, KeepsWhitespaceTogetherUpToItsLastNewline) {
  EXPECT_THAT(qwen2("\n\n\n"), ElementsAre("\n\n\n"));
  EXPECT_THAT(qwen2("a \n b"), ElementsAre("a", " \n", " b"));
  EXPECT_THAT(qwen2("a \n \n  b"), ElementsAre("a", " \n \n", " ", " b"));
  EXPECT_THAT(qwen2("a\n\n1"), ElementsAre("a", "\n\n", "1"));
  EXPECT_THAT(qwen2("a  \n  "), ElementsAre("a", "  \n", "  "));
}

TEST(Qwen2Pattern, LeavesTheLastSpaceToWhatFollows) {
  EXPECT_THAT(qwen2("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(qwen2("a  ."), ElementsAre("a", " ", " ."));
  EXPECT_THAT(qwen2("a   "), ElementsAre("a", "   "));
}

}  // namespace
}  // namespace fovea::text
