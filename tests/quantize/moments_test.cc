#include "quantize/moments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "quantize/matrices.h"

namespace fovea::quantize {
namespace {

constexpr std::size_t kColumns = 128;
constexpr std::size_t kOutputs = 24;
constexpr PackedShape kShape{.format = Format::kInt4, .rows = kOutputs, .columns = kColumns};

/// Inputs as deep layers have them: a direction that all share, and one large channel.
std::vector<float> inputs(std::size_t rows, std::uint32_t seed) {
  const auto shared = random_values(kColumns, 99);
  auto values = random_values(rows * kColumns, seed);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += 2.0F * shared[i % kColumns];
  for (std::size_t row = 0; row < rows; ++row) values[row * kColumns + 7] *= 10.0F;
  return values;
}

/// The squared length of (weights - packed) times the inputs.
double output_error(const std::vector<float>& weights, const PackedMatrix& packed,
                    const std::vector<float>& x) {
  const auto back = unpack(packed.view());
  double error = 0;
  for (std::size_t row = 0; row < x.size() / kColumns; ++row) {
    for (std::size_t out = 0; out < kOutputs; ++out) {
      double sum = 0;
      for (std::size_t i = 0; i < kColumns; ++i) {
        sum += (weights[out * kColumns + i] - back[out * kColumns + i]) * x[row * kColumns + i];
      }
      error += sum * sum;
    }
  }
  return error;
}

TEST(MomentsTest, WeightsRoundedForTheirInputsLeaveSmallerErrorsOnOthersLikeThem) {
  WorkerTeam team(2);
  Moments moments(kColumns);
  moments.add(inputs(300, 1).data(), 300, team);
  const auto weights = random_values(kOutputs * kColumns, 2);
  const auto fresh = inputs(100, 3);
  const double nearest = output_error(weights, pack(kShape, weights), fresh);
  const double calibrated = output_error(weights, pack(kShape, weights, &moments), fresh);
  EXPECT_LT(calibrated, 0.5 * nearest);
}

TEST(MomentsTest, InputsThatWereNeverSeenChangeNothing) {
  const Moments nothing(kColumns);
  EXPECT_THAT(nothing.feedback(), testing::Each(0.0F));
  const auto weights = random_values(kOutputs * kColumns, 4);
  EXPECT_EQ(unpack(pack(kShape, weights, &nothing).view()), unpack(pack(kShape, weights).view()));
}

TEST(MomentsTest, InputsThatAreNotNumbersLeaveTheirBlockAsItWas) {
  WorkerTeam team(1);
  Moments moments(kColumns);
  auto x = inputs(100, 5);
  x[3] = NAN;
  moments.add(x.data(), 100, team);
  const auto feedback = moments.feedback();
  for (std::size_t i = 0; i < std::size_t{64} * 64; ++i) ASSERT_EQ(feedback[i], 0.0F);
  for (const float value : feedback) ASSERT_TRUE(std::isfinite(value));
  EXPECT_NE(feedback[64 * 64 + 1], 0.0F);
}

TEST(MomentsTest, FewerInputsThanColumnsAreEnough) {
  WorkerTeam team(1);
  Moments moments(kColumns);
  moments.add(inputs(3, 6).data(), 3, team);
  for (const float value : moments.feedback()) ASSERT_TRUE(std::isfinite(value));
  const auto weights = random_values(kOutputs * kColumns, 7);
  for (const float value : unpack(pack(kShape, weights, &moments).view())) ASSERT_TRUE(std::isfinite(value));
}

TEST(MomentsTest, OddWidthsAndInt8AreTaken) {
  WorkerTeam team(1);
  for (const std::size_t columns : {1U, 3U, 48U, 100U}) {
    Moments moments(columns);
    const auto x = random_values(20 * columns, 8);
    moments.add(x.data(), 20, team);
    const auto weights = random_values(5 * columns, 9);
    for (const Format format : {Format::kInt4, Format::kInt8}) {
      const PackedShape shape{.format = format, .rows = 5, .columns = columns};
      const auto back = unpack(pack(shape, weights, &moments).view());
      for (const float value : back) EXPECT_TRUE(std::isfinite(value));
      if (format == Format::kInt8) EXPECT_EQ(back, unpack(pack(shape, weights).view())) << "to nearest";
    }
  }
}

}  // namespace
}  // namespace fovea::quantize
