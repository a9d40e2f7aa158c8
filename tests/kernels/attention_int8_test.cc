#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels_fixture.h"

namespace fovea::kernels {
namespace {

std::size_t rounded_up(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

/// Keys and values of one head as whole numbers with scales, packed as the kernel reads them.
struct PackedHead {
  std::size_t positions, head_dim;
  std::vector<double> k, v;  // [positions, head_dim], what the packed numbers stand for
  std::vector<std::uint8_t> keys, values;
  std::vector<std::int32_t> key_sums, value_sums;
  std::vector<float> key_scales, value_scales;

  [[nodiscard]] std::size_t depth() const { return rounded_up(head_dim, kPackedDepth); }
  [[nodiscard]] std::size_t columns() const { return rounded_up(head_dim, kPackedColumns); }
  [[nodiscard]] std::size_t chunks() const {
    return rounded_up(positions, kAttentionChunk) / kAttentionChunk;
  }

  PackedHead(std::size_t positions, std::size_t head_dim, std::mt19937& generator)
      : positions(positions), head_dim(head_dim), k(positions * head_dim), v(positions * head_dim) {
    std::uniform_int_distribution<int> number(-127, 127);
    std::uniform_real_distribution<float> scale(0.005F, 0.02F);
    const std::size_t padded = rounded_up(positions, kPackedColumns);
    keys.resize(padded * depth());
    key_sums.resize(padded);
    key_scales.resize(padded);
    for (std::size_t p = 0; p < positions; ++p) {
      key_scales[p] = scale(generator);
      for (std::size_t d = 0; d < head_dim; ++d) {
        const int value = number(generator);
        keys[p / 16 * 16 * depth() + d / 4 * 64 + p % 16 * 4 + d % 4] = static_cast<std::uint8_t>(value);
        key_sums[p] += value;
        k[p * head_dim + d] = double{key_scales[p]} * value;
      }
    }
    values.resize(chunks() * columns() * kAttentionChunk);
    value_sums.resize(chunks() * columns());
    value_scales.resize(chunks() * columns());
    for (float& s : value_scales) s = scale(generator);
    for (std::size_t p = 0; p < positions; ++p) {
      const std::size_t chunk = p / kAttentionChunk, at = p % kAttentionChunk;
      const std::size_t used = rounded_up(std::min(kAttentionChunk, positions - chunk * kAttentionChunk), 64);
      std::uint8_t* block = values.data() + chunk * columns() * kAttentionChunk;
      for (std::size_t d = 0; d < head_dim; ++d) {
        const int value = number(generator);
        block[d / 16 * 16 * used + at / 4 * 64 + d % 16 * 4 + at % 4] = static_cast<std::uint8_t>(value);
        value_sums[chunk * columns() + d] += value;
        v[p * head_dim + d] = double{value_scales[chunk * columns() + d]} * value;
      }
    }
  }
};

struct Queries {
  std::vector<std::uint8_t> rows;
  std::vector<float> scales;
  std::vector<double> q;  // [rows, head_dim], what the rows stand for
};

class AttentionInt8Test : public KernelsTest {
 protected:
  void SetUp() override {
    if (GetParam()->attention_int8 == nullptr) GTEST_SKIP() << "the set attends in bfloat16 only";
  }

  Queries queries(const PackedHead& head, std::size_t rows, float size) {
    Queries made{.rows = std::vector<std::uint8_t>(rows * head.depth()),
                 .scales = std::vector<float>(rows),
                 .q = std::vector<double>(rows * head.head_dim)};
    std::vector<std::int8_t> numbers(head.depth());
    for (std::size_t i = 0; i < rows; ++i) {
      const std::vector<float> row = random(head.head_dim, size);
      made.scales[i] = GetParam()->quantize_row(row.data(), head.head_dim, head.depth(),
                                                made.rows.data() + i * head.depth());
      GetParam()->quantize_row_signed(row.data(), head.head_dim, head.depth(), numbers.data());
      for (std::size_t d = 0; d < head.head_dim; ++d) {
        made.q[i * head.head_dim + d] = double{made.scales[i]} * numbers[d];
      }
    }
    return made;
  }

  static std::vector<float> attend(const PackedHead& head, const Queries& queries, std::size_t first,
                                   std::size_t rows) {
    std::vector<float> out(rows * head.head_dim, NAN);
    GetParam()->attention_int8({.q = queries.rows.data() + first * head.depth(),
                                .q_scales = queries.scales.data() + first,
                                .keys = head.keys.data(),
                                .key_sums = head.key_sums.data(),
                                .key_scales = head.key_scales.data(),
                                .values = head.values.data(),
                                .value_sums = head.value_sums.data(),
                                .value_scales = head.value_scales.data(),
                                .positions = head.positions,
                                .out = out.data(),
                                .out_stride = head.head_dim,
                                .rows = rows,
                                .head_dim = head.head_dim,
                                .depth = head.depth()});
    return out;
  }

  /// 2^scores of one query, the largest of each chunk, and their softmax's sums of values, in double
  /// precision.
  static void expect_softmax(const PackedHead& head, const double* q, const float* out) {
    std::vector<double> scores(head.positions), chunk_tops(head.chunks(), -INFINITY);
    for (std::size_t p = 0; p < head.positions; ++p) {
      for (std::size_t d = 0; d < head.head_dim; ++d) scores[p] += q[d] * head.k[p * head.head_dim + d];
      double& top = chunk_tops[p / kAttentionChunk];
      top = std::max(top, scores[p]);
    }
    const double top = *std::ranges::max_element(chunk_tops);
    double total = 0;
    for (const double score : scores) total += std::exp2(score - top);
    for (std::size_t d = 0; d < head.head_dim; ++d) {
      double sum = 0, rounding = 0;
      for (std::size_t p = 0; p < head.positions; ++p) {
        sum += std::exp2(scores[p] - top) / total * head.v[p * head.head_dim + d];
      }
      for (std::size_t p = 0; p < head.positions; ++p) {  // half a 127th of the chunk's largest weight, each
        const double step = 0.5 / 127 * std::exp2(chunk_tops[p / kAttentionChunk] - top) / total;
        rounding += step * std::abs(head.v[p * head.head_dim + d] - sum);
      }
      ASSERT_NEAR(out[d], sum, 1.05 * rounding + 1e-3) << head.positions << " positions, channel " << d;
    }
  }
};

TEST_P(AttentionInt8Test, IsSoftmaxUpToTheRoundingOfItsWeights) {
  for (const std::size_t positions : {1, 3, 17, 63, 65, 255, 256, 257, 601, 1024}) {
    for (const std::size_t head_dim : {16, 64, 80}) {
      const PackedHead head(positions, head_dim, generator_);
      const std::size_t rows = random_size(1, 9);
      const Queries made = queries(head, rows, 0.2F);
      const std::vector<float> out = attend(head, made, 0, rows);
      for (std::size_t i = 0; i < rows; ++i) {
        expect_softmax(head, &made.q[i * head_dim], &out[i * head_dim]);
      }
    }
  }
}

TEST_P(AttentionInt8Test, ARowDoesNotDependOnTheRowsBesideIt) {
  const PackedHead head(700, 64, generator_);
  const Queries made = queries(head, kAttentionRows, 0.5F);
  const std::vector<float> all = attend(head, made, 0, kAttentionRows);
  for (const std::size_t rows : {1, 2, 5, 17}) {
    for (std::size_t first = 0; first + rows <= kAttentionRows; first += 7) {
      const std::vector<float> some = attend(head, made, first, rows);
      ASSERT_EQ(std::memcmp(some.data(), &all[first * 64], some.size() * sizeof(float)), 0)
          << rows << " from " << first;
    }
  }
}

TEST_P(AttentionInt8Test, OneFarHigherScoreTakesAllTheWeight) {
  PackedHead head(600, 64, generator_);
  const Queries made = queries(head, 1, 100.0F);
  const std::vector<float> out = attend(head, made, 0, 1);
  expect_softmax(head, made.q.data(), out.data());
}

TEST_P(AttentionInt8Test, QueriesOfZerosTakeTheMean) {
  const PackedHead head(333, 64, generator_);
  const Queries made = queries(head, 3, 0.0F);
  const std::vector<float> out = attend(head, made, 0, 3);
  for (std::size_t d = 0; d < 64; ++d) {
    double mean = 0;
    for (std::size_t p = 0; p < head.positions; ++p) mean += head.v[p * 64 + d] / 333;
    ASSERT_NEAR(out[d], mean, 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, AttentionInt8Test, testing::ValuesIn(supported_kernels()), isa_name);

}  // namespace
}  // namespace fovea::kernels
