#include "evaluate/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/calm_checkpoint.h"
#include "support/golden.h"

namespace fovea::evaluate {
namespace {

using testing::HasSubstr;

std::unique_ptr<engine::Generator> open(nn::Precision precision, const char* folder = "smolvlm-tiny-f32") {
  return engine::Generator::open(test::golden_folder(folder),
                                 {.model = {.precision = precision}, .threads = 1})
      .value();
}

std::vector<Example> examples() {
  std::vector<Example> result;
  for (const char* name : {"0_300x420_RGB.png", "2_90x70_RGBA.png", "4_640x480_RGB.jpg"}) {
    result.push_back({.image = test::golden_folder("smolvlm-tiny-f32") / "images" / name, .truth = {}});
  }
  return result;
}

const Question kQuestion{.prompt = "What card is this?", .max_new_tokens = 16};

TEST(AgreementTest, AModelAgreesWithItself) {
  const auto a = open(nn::Precision::kF32);
  const auto b = open(nn::Precision::kF32);
  const auto agreement = measure_agreement(*a, *b, kQuestion, examples(), {});
  ASSERT_TRUE(agreement.has_value()) << agreement.error().message;
  EXPECT_EQ(agreement->pictures, 3U);
  EXPECT_EQ(agreement->same_top.compared, 3U * 16);
  EXPECT_EQ(agreement->same_top.rate(), 1.0);
  EXPECT_EQ(agreement->mean_divergence(), 0.0);
  EXPECT_NEAR(agreement->image_features.least, 1.0, 1e-12);
  EXPECT_NEAR(agreement->logits.least, 1.0, 1e-12);
}

TEST(AgreementTest, Int8StaysCloserToFloatThanInt4) {
  const test::CalmCheckpoint checkpoint;
  const auto open = [&](nn::Precision precision) {
    return engine::Generator::open(checkpoint.folder(), {.model = {.precision = precision}, .threads = 1})
        .value();
  };
  const auto reference = open(nn::Precision::kF32);
  const auto int8 = measure_agreement(*reference, *open(nn::Precision::kInt8), kQuestion, examples(), {});
  const auto int4 = measure_agreement(*reference, *open(nn::Precision::kInt4), kQuestion, examples(), {});
  ASSERT_TRUE(int8.has_value() && int4.has_value());
  EXPECT_GE(int8->image_features.least, 0.999);
  EXPECT_GE(int8->logits.least, 0.999);
  EXPECT_GT(int8->same_top.rate(), 0.7) << "random logits have near-ties";
  EXPECT_GE(int4->logits.least, 0.9);
  EXPECT_GT(int8->mean_divergence(), 0.0);
  EXPECT_LT(int8->mean_divergence(), int4->mean_divergence());
}

TEST(AgreementTest, APictureThatCannotBeReadIsCountedAndNamed) {
  const auto model = open(nn::Precision::kF32);
  auto pictures = examples();
  pictures[1].image = "/nonexistent.png";
  std::vector<std::string> failed;
  std::size_t last = 0;
  const auto agreement =
      measure_agreement(*model, *model, kQuestion, pictures,
                        [&](std::size_t done, const Example& example, const std::optional<Error>& error) {
                          last = done;
                          if (error) failed.push_back(example.image.string());
                        });
  ASSERT_TRUE(agreement.has_value());
  EXPECT_EQ(agreement->pictures, 2U);
  EXPECT_EQ(agreement->failed, 1U);
  EXPECT_EQ(last, 3U);
  EXPECT_THAT(failed, testing::ElementsAre("/nonexistent.png"));
}

TEST(AgreementTest, ModelsOfDifferentSizesAreRefused) {
  const auto a = open(nn::Precision::kF32);
  const auto b = open(nn::Precision::kF32, "smolvlm-tiny-bf16-tied");
  const auto agreement = measure_agreement(*a, *b, kQuestion, examples(), {});
  ASSERT_FALSE(agreement.has_value());
  EXPECT_EQ(agreement.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(agreement.error().message, HasSubstr("vocab_size 900 and 600"));
  EXPECT_FALSE(measure_agreement(*a, *a, kQuestion, {}, {}).has_value()) << "no examples";
}

TEST(AgreementTest, TheDivergenceIsThatOfTheTwoDistributions) {
  Agreement agreement;
  // One of two answers with probabilities 3/4 and 1/4 against 1/2 and 1/2; logits may be shifted.
  const std::vector<float> reference{std::log(3.0F) + 5, 5};
  const std::vector<float> model{-2, -2};
  add_logits(agreement, reference, model, 2);
  EXPECT_NEAR(agreement.mean_divergence(), 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-6);
  EXPECT_EQ(agreement.same_top.rate(), 1.0) << "the first of equals";
  add_logits(agreement, std::vector<float>{0, 9}, std::vector<float>{9, 0}, 2);
  EXPECT_EQ(agreement.same_top.rate(), 0.5);
  EXPECT_EQ(agreement.same_top.compared, 2U);
}

TEST(CosineTest, EqualsKnownValues) {
  EXPECT_DOUBLE_EQ(cosine(std::vector<float>{1, 0}, std::vector<float>{0, 2}), 0);
  EXPECT_DOUBLE_EQ(cosine(std::vector<float>{1, 2}, std::vector<float>{-2, -4}), -1);
  EXPECT_DOUBLE_EQ(cosine(std::vector<float>{0, 0}, std::vector<float>{0, 0}), 1);
  EXPECT_DOUBLE_EQ(cosine(std::vector<float>{0, 0}, std::vector<float>{0, 1}), 0);
}

}  // namespace
}  // namespace fovea::evaluate
