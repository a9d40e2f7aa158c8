// Random schemas, answers drawn token by token under their masks.

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "grammar/random_schema.h"
#include "grammar/vocabularies.h"
#include "text/unicode.h"

namespace fovea::grammar {
namespace {

using test::Json;
using test::RandomSchemas;
using test::Vocabulary;

std::int32_t nth_bit(const std::vector<std::uint64_t>& mask, std::size_t n) {
  for (std::size_t word = 0; word < mask.size(); ++word) {
    const auto bits = static_cast<std::size_t>(std::popcount(mask[word]));
    if (n >= bits) {
      n -= bits;
      continue;
    }
    std::uint64_t rest = mask[word];
    while (n-- > 0) rest &= rest - 1;
    return static_cast<std::int32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
  }
  return -1;
}

/// Draws one answer, checking what must hold at every step.
class Walk {
 public:
  Walk(const Vocabulary& vocabulary, TokenGrammar::Pointer grammar, RandomSchemas& random)
      : vocabulary_(vocabulary),
        matcher_(std::move(grammar)),
        random_(random),
        mask_(vocabulary.tokens->mask_words()) {}

  std::string run(bool jump) {
    while (!matcher_.ended()) {
      if (jump) this->jump();
      const std::size_t bits = matcher_.fill_mask(mask_);
      EXPECT_GT(bits, 0U) << text();
      if (bits == 0) return "";
      check_mask();
      const std::int32_t token = nth_bit(mask_, random_.below(bits));
      EXPECT_TRUE(matcher_.accept(token)) << text() << " then " << token;
      if (!matcher_.ended()) ids_.push_back(token);
    }
    return text();
  }

 private:
  [[nodiscard]] std::string text() const { return vocabulary_.tokens->text(ids_); }

  /// A random token may come exactly where its bit says so, and can be taken back.
  void check_mask() {
    const auto token = static_cast<std::int32_t>(random_.below(vocabulary_.tokens->size()));
    const bool accepted = matcher_.accept(token);
    EXPECT_EQ(accepted, test::bit(mask_, token)) << text() << " then " << token;
    if (accepted) matcher_.rollback(1);
    EXPECT_EQ(matcher_.steps(), ids_.size());
    for (const std::int32_t eos : vocabulary_.tokens->eos_ids())
      EXPECT_EQ(test::bit(mask_, eos), matcher_.can_end());
  }

  void jump() {
    const std::string forced = matcher_.forced_bytes();
    const JumpPlan plan = plan_jump(vocabulary_.tokenizer, matcher_, ids_);
    if (plan.append.empty()) {
      EXPECT_EQ(plan.keep, ids_.size());
      return;
    }
    std::string whole = text() + forced;
    while (!text::is_valid_utf8(whole)) whole.pop_back();  // dictated to the middle of a character
    const std::size_t before = text().size();
    matcher_.rollback(ids_.size() - plan.keep);
    ids_.resize(plan.keep);
    for (const std::int32_t id : plan.append) {
      EXPECT_FALSE(vocabulary_.tokenizer.is_special(id));
      EXPECT_TRUE(matcher_.accept(id)) << whole;
      ids_.push_back(id);
    }
    EXPECT_TRUE(whole.starts_with(text()));
    EXPECT_GT(text().size(), before);
    const std::vector<std::int32_t> encoded = vocabulary_.tokenizer.encode(whole);
    ASSERT_GE(encoded.size(), ids_.size());
    EXPECT_TRUE(std::equal(ids_.begin(), ids_.end(), encoded.begin())) << whole;
  }

  const Vocabulary& vocabulary_;
  Matcher matcher_;
  RandomSchemas& random_;
  std::vector<std::uint64_t> mask_;
  std::vector<std::int32_t> ids_;
};

void draw_answers(const Vocabulary& vocabulary, int schemas, std::uint64_t seed) {
  RandomSchemas random(seed);
  int compiled = 0;
  for (int i = 0; i < schemas; ++i) {
    const Json schema = random.document(3);
    Options options = test::small_answers();
    options.layout = random.one_in(3) ? Layout::kSpaced : Layout::kCompact;
    const auto grammar = Grammar::from_schema_text(schema.dump(), options);
    if (!grammar) {
      EXPECT_NE(grammar.error().message.find("schema at "), std::string::npos) << grammar.error().message;
      continue;
    }
    ++compiled;
    const auto bound = std::make_shared<const TokenGrammar>(*grammar, vocabulary.tokens);
    for (const bool jump : {false, true}) {
      const std::string answer = Walk(vocabulary, bound, random).run(jump);
      const auto value = parse_ordered_json(answer, "answer");
      // Members of a free object may repeat; the strict reader refuses those, and only those.
      if (!value && value.error().message.find("stands twice") != std::string::npos) continue;
      ASSERT_TRUE(value) << answer << "\n" << schema.dump() << "\n" << value.error().message;
      EXPECT_TRUE((*grammar)->matches(answer)) << answer << "\n" << schema.dump();
      EXPECT_GE(answer.size(), (*grammar)->shortest_answer());
    }
    if (testing::Test::HasFailure()) {
      FAIL() << schema.dump();
    }
  }
  EXPECT_GT(compiled, schemas / 2);
}

TEST(RandomSchemas, GiveAnswersThatParseWithTheCardVocabulary) {
  draw_answers(test::card_vocabulary(), FOVEA_GRAMMAR_SCHEMAS, 11);
}

TEST(RandomSchemas, GiveAnswersThatParseWithALargeVocabulary) {
  draw_answers(test::large_vocabulary(), FOVEA_GRAMMAR_SCHEMAS / 10, 12);
}

}  // namespace
}  // namespace fovea::grammar
