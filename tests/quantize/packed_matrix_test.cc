#include "quantize/packed_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <tuple>

#include "quantize/matrices.h"

namespace fovea::quantize {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Ge;
using testing::Le;

double length(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

double distance(std::span<const float> a, std::span<const float> b) {
  std::vector<float> difference(a.begin(), a.end());
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= b[i];
  return length(difference);
}

class PackedMatrixTest : public testing::TestWithParam<std::tuple<Format, std::size_t, std::size_t>> {
 protected:
  [[nodiscard]] PackedShape shape() const {
    return {.format = std::get<0>(GetParam()),
            .rows = std::get<1>(GetParam()),
            .columns = std::get<2>(GetParam())};
  }
  [[nodiscard]] bool int4() const { return shape().format == Format::kInt4; }
  /// Of a value, in steps of its row; the error that rounding to nearest leaves at most is a half.
  [[nodiscard]] double most_relative_error() const { return int4() ? 0.16 : 0.012; }
};

TEST_P(PackedMatrixTest, GivesBackEveryRowWithinItsPrecision) {
  const auto values = random_values(shape().rows * shape().columns, 7);
  const PackedMatrix packed = pack(shape(), values);
  const auto back = unpack(packed.view());
  const std::size_t columns = shape().columns;
  for (std::size_t row = 0; row < shape().rows; ++row) {
    const std::span expected(values.data() + row * columns, columns);
    EXPECT_LE(distance(std::span(back.data() + row * columns, columns), expected),
              most_relative_error() * length(expected))
        << "row " << row;
  }
}

TEST_P(PackedMatrixTest, NoTransformedInt8ValueIsOffByMoreThanHalfAStep) {
  if (int4()) GTEST_SKIP() << "int4 cuts off a few large values to hold the others better";
  const std::size_t columns = shape().columns;
  const std::size_t block = hadamard_block(columns);
  auto values = random_values(shape().rows * columns, 8);
  const PackedMatrix packed = pack(shape(), values);
  auto back = unpack(packed.view());
  for (std::size_t row = 0; row < shape().rows; ++row) {
    hadamard_transform(values.data() + row * columns, columns, block);
    hadamard_transform(back.data() + row * columns, columns, block);
    const float step = packed.view().scales[row] * static_cast<float>(block);
    for (std::size_t i = row * columns; i < (row + 1) * columns; ++i) {
      EXPECT_NEAR(back[i], values[i], 0.501F * step);
    }
  }
}

TEST_P(PackedMatrixTest, PaddingIsZero) {
  const PackedMatrix packed = pack(shape(), random_values(shape().rows * shape().columns, 9));
  const PackedView view = packed.view();
  const std::size_t depth = shape().depth();
  EXPECT_EQ(depth % 64, 0U);
  ASSERT_GE(shape().blocks() * 16, shape().rows);
  for (std::size_t row = 0; row < shape().blocks() * 16; ++row) {
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      const std::size_t block = row / 16;
      const std::size_t j = row % 16;
      int value = 0;
      if (int4()) {
        const std::uint8_t pair = view.values[block * 8 * depth + k / 8 * 64 + 4 * j + k % 4];
        value = (k % 8 < 4 ? pair & 15 : pair >> 4) - 8;
        value *= view.multipliers[(block * (depth / 32) + k / 32) * 16 + j];
      } else {
        value = static_cast<std::int8_t>(view.values[block * 16 * depth + k / 4 * 64 + 4 * j + k % 4]);
      }
      sum += value;
      if (row >= shape().rows || k >= shape().columns) ASSERT_EQ(value, 0) << "row " << row << ", k " << k;
    }
    EXPECT_EQ(view.sums[row], sum) << "row " << row;
    if (row >= shape().rows) EXPECT_EQ(view.scales[row], 0.0F) << "row " << row;
  }
  const std::span multipliers(view.multipliers, shape().multiplier_bytes());
  EXPECT_THAT(multipliers, Each(AllOf(Ge(1), Le(15))));
}

TEST_P(PackedMatrixTest, RowsOfZerosStayZerosBesideOthers) {
  auto values = random_values(shape().rows * shape().columns, 10);
  std::fill_n(values.begin(), shape().columns, 0.0F);
  const auto back = unpack(pack(shape(), values).view());
  for (std::size_t i = 0; i < shape().columns; ++i) EXPECT_EQ(back[i], 0.0F);
  for (const float value : back) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(PackedMatrixTest, DoesNotDependOnTheNumberOfThreads) {
  const auto values = random_values(shape().rows * shape().columns, 11);
  const PackedMatrix one = pack(shape(), values, nullptr, 1);
  const PackedMatrix three = pack(shape(), values, nullptr, 3);
  const std::size_t bytes = shape().value_bytes();
  EXPECT_THAT(std::span(one.view().values, bytes), testing::ElementsAreArray(three.view().values, bytes));
}

INSTANTIATE_TEST_SUITE_P(Shapes, PackedMatrixTest,
                         testing::Combine(testing::Values(Format::kInt8, Format::kInt4),
                                          testing::Values<std::size_t>(1, 15, 16, 33),
                                          testing::Values<std::size_t>(1, 3, 16, 48, 63, 64, 65, 100, 192)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) == Format::kInt8 ? "Int8_" : "Int4_") +
                                  std::to_string(std::get<1>(info.param)) + "_by_" +
                                  std::to_string(std::get<2>(info.param));
                         });

TEST(HadamardBlockTest, IsTheLargestPowerOfTwoUpTo64ThatDividesARow) {
  for (const auto& [columns, block] : {std::pair<std::size_t, std::size_t>{1, 1},
                                       {3, 1},
                                       {6, 2},
                                       {48, 16},
                                       {64, 64},
                                       {96, 32},
                                       {192, 64},
                                       {960, 64},
                                       {1 << 12, 64}}) {
    EXPECT_EQ(hadamard_block(columns), block) << columns;
  }
}

TEST(HadamardTransformTest, TwiceIsTheSizeOfTheBlock) {
  const auto values = random_values(192, 12);
  auto twice = values;
  hadamard_transform(twice.data(), twice.size(), 64);
  hadamard_transform(twice.data(), twice.size(), 64);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(twice[i], 64 * values[i], 1e-3F);
}

TEST(OutlierTest, OneLargeWeightLeavesTheOthersTheirBits) {
  auto values = random_values(64, 13);
  values[5] = 40.0F;
  const auto back = unpack(pack({.format = Format::kInt8, .rows = 1, .columns = 64}, values).view());
  // One scale for the row as it is would be 40 / 127: an error of 0.09 on average.
  EXPECT_LT(distance(back, values) / 8, 0.03);
}

}  // namespace
}  // namespace fovea::quantize
