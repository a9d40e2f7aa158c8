#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "nn/random_values.h"
#include "tensor/dtype.h"

namespace fovea::nn {
namespace {

std::vector<std::size_t> positions(std::size_t start, std::size_t count) {
  std::vector<std::size_t> result(count);
  std::iota(result.begin(), result.end(), start);
  return result;
}

TEST(RotaryEmbeddingTest, RotatesEachPairByPositionTimesFrequency) {
  for (const std::size_t head_dim : {2U, 16U, 20U, 64U}) {
    constexpr std::size_t kHeads = 3;
    constexpr std::size_t kStart = 870;
    const double theta = 100000.0;
    const auto rotations = RotaryEmbedding(head_dim, 100000.0F).rotations(positions(kStart, 3));
    for (std::size_t token = 0; token < 3; ++token) {
      const auto x = random_values(kHeads * head_dim, 1);
      auto rotated = x;
      rotations.apply(rotated.data(), kHeads, token);
      for (std::size_t head = 0; head < kHeads; ++head) {
        for (std::size_t i = 0; i < head_dim / 2; ++i) {
          const double frequency =
              std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
          const double angle = static_cast<double>(kStart + token) * frequency;
          const std::size_t at = head * head_dim + i;
          const double first = x[at];
          const double second = x[at + head_dim / 2];
          // The angle itself is rounded to float, as in the reference: some 870 x 2^-24.
          EXPECT_NEAR(rotated[at], first * std::cos(angle) - second * std::sin(angle), 5e-4);
          EXPECT_NEAR(rotated[at + head_dim / 2], second * std::cos(angle) + first * std::sin(angle), 5e-4);
        }
      }
    }
  }
}

TEST(RotaryEmbeddingTest, PositionZeroChangesNothing) {
  const auto x = random_values(32, 2);
  auto rotated = x;
  RotaryEmbedding(16, 10000.0F).rotations(positions(0, 1)).apply(rotated.data(), 2, 0);
  EXPECT_EQ(rotated, x);
}

TEST(RotaryEmbeddingTest, ATokenIsRotatedTheSameWhereverItsRunBegan) {
  const RotaryEmbedding rope(24, 273768.0F);
  const auto whole = rope.rotations(positions(0, 40));
  const auto x = random_values(48, 3);
  for (const std::size_t start : {1U, 17U, 39U}) {
    auto expected = x;
    auto found = x;
    whole.apply(expected.data(), 2, 39);
    rope.rotations(positions(start, 40 - start)).apply(found.data(), 2, 39 - start);
    EXPECT_EQ(found, expected);
  }
}

TEST(RotaryEmbeddingTest, FrequenciesRoundedToBf16AreThoseOfACastModel) {
  // 10000^(-2/4) = 0.01, which is no bfloat16.
  const float frequency = tensor::to_float(tensor::to_bfloat16(0.01F));
  ASSERT_NE(frequency, 0.01F);
  std::vector<float> x{0, 1, 0, 0};
  RotaryEmbedding(4, 10000.0F, true).rotations(positions(100, 1)).apply(x.data(), 1, 0);
  EXPECT_FLOAT_EQ(x[1], std::cos(100 * frequency));
  EXPECT_FLOAT_EQ(x[3], std::sin(100 * frequency));
}

}  // namespace
}  // namespace fovea::nn
