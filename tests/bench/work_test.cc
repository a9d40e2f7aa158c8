#include "bench/work.h"

#include <gtest/gtest.h>

namespace fovea::bench {
namespace {

// The shape of the 500M model.
models::smolvlm::Config config() {
  models::smolvlm::Config config;
  config.vision = {.hidden_size = 768, .num_attention_heads = 12, .image_size = 512, .patch_size = 16};
  config.text = {.vocab_size = 49280,
                 .hidden_size = 960,
                 .intermediate_size = 2560,
                 .num_attention_heads = 15,
                 .num_key_value_heads = 5,
                 .head_dim = 64};
  config.scale_factor = 4;
  return config;
}

TEST(WorkTest, ATileOfThePublishedShapeIsCountedByHand) {
  const Work work = vision_work(config(), nn::Precision::kBF16);
  // 1024 patches; 12 layers of four square products and two to 3,072 and back; patch embedding; connector
  // of 64 tokens, each of 16 patches.
  const double layer = 4.0 * 768 * 768 + 2.0 * 768 * 3072;
  const double expected = 2 * (1024 * (12 * layer + 768.0 * 768) + 64 * (16 * 768.0) * 960);
  EXPECT_DOUBLE_EQ(work.linear, expected);
  EXPECT_DOUBLE_EQ(work.attention, 2.0 * 12 * 2 * 1024 * 1024 * 768);
  EXPECT_EQ(work.attention_int8, 0);
}

TEST(WorkTest, AttentionInInt8IsTheSameWorkAtAnotherPeak) {
  const Work wide = vision_work(config(), nn::Precision::kBF16);
  const Work narrow = vision_work(config(), nn::Precision::kInt8);
  EXPECT_EQ(narrow.linear, wide.linear);
  EXPECT_EQ(narrow.attention, 0);
  EXPECT_EQ(narrow.attention_int8, wide.attention);
}

TEST(WorkTest, PrefillCountsTheHeadOnceAndOnlyTheVisibleHalf) {
  const Work one = prefill_work(config(), 1);
  const double layer = 960.0 * (2 * 960 + 2 * 320) + 3.0 * 960 * 2560;
  EXPECT_DOUBLE_EQ(one.linear, 2 * (32 * layer + 49280.0 * 960));
  EXPECT_DOUBLE_EQ(one.attention, 2.0 * 32 * 2 * 960);
  const Work three = prefill_work(config(), 3);
  EXPECT_DOUBLE_EQ(three.linear - one.linear, 2 * 2 * 32 * layer);
  EXPECT_DOUBLE_EQ(three.attention, 6 * one.attention);
}

TEST(WorkTest, ATokenReadsEveryWeightAndTheContext) {
  const double layer = 960.0 * (2 * 960 + 2 * 320) + 3.0 * 960 * 2560;
  const double weights = 32 * layer + 49280.0 * 960;
  EXPECT_DOUBLE_EQ(decode_bytes(config(), nn::Precision::kBF16, nn::KeyValueType::kBF16, 0), 2 * weights);
  EXPECT_DOUBLE_EQ(decode_bytes(config(), nn::Precision::kF32, nn::KeyValueType::kF32, 0), 4 * weights);
  // Two of a layer's 32, each with five heads of 64.
  const double context = 2.0 * 32 * 900 * 5 * 64;
  EXPECT_DOUBLE_EQ(decode_bytes(config(), nn::Precision::kBF16, nn::KeyValueType::kBF16, 900),
                   2 * weights + 2 * context);
  EXPECT_DOUBLE_EQ(decode_bytes(config(), nn::Precision::kBF16, nn::KeyValueType::kInt8, 900),
                   2 * weights + context + 4 * context / 64);
}

TEST(WorkTest, TheLeastTimeIsTheWorkOverThePeakOfItsType) {
  const kernels::Peaks peaks{.f32_gflops = 100, .bf16_gflops = 200, .int8_gops = 400, .read_gbps = 10};
  const Work work{.linear = 2e9, .attention = 1e9};
  EXPECT_DOUBLE_EQ(least_ms(work, nn::Precision::kF32, peaks), 30);
  EXPECT_DOUBLE_EQ(least_ms(work, nn::Precision::kBF16, peaks), 15);
  EXPECT_DOUBLE_EQ(least_ms(work, nn::Precision::kInt8, peaks), 10);
  EXPECT_DOUBLE_EQ(least_ms({.linear = 2e9, .attention_int8 = 1e9}, nn::Precision::kInt8, peaks), 7.5);
}

}  // namespace
}  // namespace fovea::bench
