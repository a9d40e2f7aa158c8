#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/generator.h"
#include "support/golden.h"

namespace fovea::engine {
namespace {

using testing::HasSubstr;

class GenerateTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Generator::open(golden_.folder(), {.model = {}, .threads = 2});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    generator_ = std::move(*opened);
  }

  test::Golden golden_{"smolvlm-tiny-f32"};
  std::unique_ptr<Generator> generator_;
};

TEST_F(GenerateTest, TheSameQuestionHasTheSameAnswerEveryTime) {
  const image::Image picture = golden_.picture(golden_.cases()[0]);
  const auto first =
      generator_->generate({&picture, 1}, "What is this?", {.max_new_tokens = 12, .ignore_eos = true});
  const auto second =
      generator_->generate({&picture, 1}, "What is this?", {.max_new_tokens = 12, .ignore_eos = true});
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->token_ids, second->token_ids);
  EXPECT_EQ(first->token_ids.size(), 12U);
  EXPECT_FALSE(first->finish_reason == FinishReason::kStop);
}

TEST_F(GenerateTest, AnswersAQuestionWithoutAPictureAndOneWithTwo) {
  const auto none = generator_->generate({}, "Hello", {.max_new_tokens = 4});
  ASSERT_TRUE(none.has_value()) << none.error().message;
  const std::vector<image::Image> two{golden_.picture(golden_.cases()[0]),
                                      golden_.picture(golden_.cases()[2])};
  const auto both = generator_->generate(two, "Compare.", {.max_new_tokens = 4});
  ASSERT_TRUE(both.has_value()) << both.error().message;
  const auto single = generator_->generate({two.data(), 1}, "Compare.", {.max_new_tokens = 4});
  ASSERT_TRUE(single.has_value());
  EXPECT_GT(both->prompt_tokens, single->prompt_tokens + 30);
}

TEST_F(GenerateTest, EndOfSequenceIdsAreNeverSelectedWhenIgnored) {
  const auto answer = generator_->generate({}, "Hello", {.max_new_tokens = 200, .ignore_eos = true});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->token_ids.size(), 200U);
  for (const std::int32_t eos : generator_->config().eos_token_ids) {
    EXPECT_THAT(answer->token_ids, testing::Not(testing::Contains(eos)));
  }
}

TEST_F(GenerateTest, APromptLongerThanTheContextIsAnErrorThatNamesBoth) {
  std::string prompt;
  for (int i = 0; i < 9000; ++i) prompt += "7 ";
  const auto answer = generator_->generate({}, prompt, {.max_new_tokens = 4});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kContextExceeded);
  EXPECT_THAT(answer.error().message, HasSubstr("8192"));
}

TEST_F(GenerateTest, AnAnswerEndsWhereTheContextEnds) {
  std::string prompt;
  for (int i = 0; i < 4080; ++i) prompt += "7 ";
  const auto answer = generator_->generate({}, prompt, {.max_new_tokens = 1000, .ignore_eos = true});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->prompt_tokens + answer->token_ids.size(), 8192U);
}

TEST_F(GenerateTest, AQuestionThatHoldsTheImageMarkerIsRefused) {
  const image::Image picture = golden_.picture(golden_.cases()[0]);
  const auto answer = generator_->generate({&picture, 1}, "What is <image> here?", {.max_new_tokens = 4});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace fovea::engine
