#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/generator.h"
#include "support/golden.h"

namespace fovea::engine {
namespace {

using testing::HasSubstr;

class ScoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Generator::open(golden_.folder(), {.model = {}, .threads = 2});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    generator_ = std::move(*opened);
    picture_ = golden_.picture(golden_.cases()[0]);
  }

  test::Golden golden_{"smolvlm-tiny-f32"};
  std::unique_ptr<Generator> generator_;
  image::Image picture_;
};

TEST_F(ScoreTest, PredictsItsOwnGreedyAnswerTokenByToken) {
  const auto answer = generator_->generate({&picture_, 1}, "What is this?",
                                           {.max_new_tokens = 12, .ignore_eos = false, .keep_tensors = true});
  ASSERT_TRUE(answer.has_value());
  const auto score = generator_->score({&picture_, 1}, "What is this?", answer->token_ids);
  ASSERT_TRUE(score.has_value()) << score.error().message;
  const std::size_t vocab = generator_->config().text.vocab_size;
  ASSERT_EQ(score->logits.size(), answer->token_ids.size() * vocab);
  for (std::size_t i = 0; i < answer->token_ids.size(); ++i) {
    const auto row = std::span(score->logits).subspan(i * vocab, vocab);
    EXPECT_EQ(std::ranges::max_element(row) - row.begin(), answer->token_ids[i]) << i;
  }
  EXPECT_EQ(score->prompt_tokens, answer->prompt_tokens);
  EXPECT_EQ(score->image_features, answer->tensors.image_features);
}

TEST_F(ScoreTest, FollowsTheAnswerThatItIsGivenNotItsOwn) {
  const std::vector<std::int32_t> one{10, 20, 30};
  const std::vector<std::int32_t> other{11, 20, 30};
  const auto first = generator_->score({}, "Hello", one);
  const auto second = generator_->score({}, "Hello", other);
  ASSERT_TRUE(first.has_value() && second.has_value());
  const auto vocab = static_cast<std::ptrdiff_t>(generator_->config().text.vocab_size);
  EXPECT_TRUE(std::equal(first->logits.begin(), first->logits.begin() + vocab, second->logits.begin()))
      << "nothing of the answer is known yet";
  EXPECT_FALSE(
      std::equal(first->logits.begin() + vocab, first->logits.end(), second->logits.begin() + vocab));
}

TEST_F(ScoreTest, AnAnswerWithoutTokensHasNoLogits) {
  const auto score = generator_->score({&picture_, 1}, "Hello", {});
  ASSERT_TRUE(score.has_value());
  EXPECT_TRUE(score->logits.empty());
  EXPECT_FALSE(score->image_features.empty());
}

TEST_F(ScoreTest, IdsOutsideTheVocabularyAreRefused) {
  for (const std::int32_t id : {-1, 900, 1 << 30}) {
    const auto score = generator_->score({}, "Hello", std::vector{3, id});
    ASSERT_FALSE(score.has_value()) << id;
    EXPECT_EQ(score.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(score.error().message, HasSubstr(std::to_string(id)));
  }
}

TEST_F(ScoreTest, AnAnswerLongerThanTheContextIsRefused) {
  const std::vector<std::int32_t> answer(generator_->config().text.max_position_embeddings, 5);
  const auto score = generator_->score({}, "Hello", answer);
  ASSERT_FALSE(score.has_value());
  EXPECT_EQ(score.error().code, ErrorCode::kContextExceeded);
}

}  // namespace
}  // namespace fovea::engine
