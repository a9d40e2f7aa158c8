#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels_fixture.h"

namespace fovea::kernels {
namespace {

/// Keys and values [positions, head_dim], rounded to bfloat16, and packed as the kernel reads them.
struct PackedCache {
  std::size_t positions, head_dim, value_pairs;
  std::vector<float> k, v;
  std::vector<BFloat16> keys, values;
  std::vector<float> key_scales, value_scales;  // or empty

  PackedCache(std::size_t positions, std::size_t head_dim, std::vector<float> k_in, std::vector<float> v_in)
      : positions(positions),
        head_dim(head_dim),
        value_pairs((positions + 1) / 2),
        k(std::move(k_in)),
        v(std::move(v_in)) {
    const std::size_t pairs = (head_dim + 1) / 2;
    keys.resize((positions + 15) / 16 * pairs * 32);
    values.resize((head_dim + 15) / 16 * value_pairs * 32);
    for (std::size_t p = 0; p < positions; ++p) {
      for (std::size_t d = 0; d < head_dim; ++d) {
        const BFloat16 key = tensor::to_bfloat16(k[p * head_dim + d]);
        const BFloat16 value = tensor::to_bfloat16(v[p * head_dim + d]);
        keys[(p / 16 * pairs + d / 2) * 32 + 2 * (p % 16) + d % 2] = key;
        values[(d / 16 * value_pairs + p / 2) * 32 + 2 * (d % 16) + p % 2] = value;
        k[p * head_dim + d] = tensor::to_float(key);
        v[p * head_dim + d] = tensor::to_float(value);
      }
    }
  }

  /// Leaves what is packed as it is: every position is still to be multiplied by these.
  void scale(std::vector<float> of_keys, std::vector<float> of_values) {
    for (std::size_t i = 0; i < positions * head_dim; ++i) {
      k[i] *= of_keys[i / head_dim];
      v[i] *= of_values[i / head_dim];
    }
    key_scales = std::move(of_keys);
    value_scales = std::move(of_values);
    // Of positions that were never written.
    key_scales.resize((positions + 15) / 16 * 16, INFINITY);
    value_scales.resize(key_scales.size(), INFINITY);
  }
};

class AttentionKernelTest : public KernelsTest {
 protected:
  /// Whole numbers up to 127, of which int8 keys and values are.
  std::vector<float> whole_numbers(std::size_t size) {
    std::vector<float> values = random(size, 40.0F);
    for (float& value : values) value = std::nearbyint(std::clamp(value, -127.0F, 127.0F));
    return values;
  }
  /// About what makes whole numbers values around one.
  std::vector<float> scales(std::size_t size) {
    std::vector<float> values = random(size, 0.005F);
    for (float& value : values) value = std::abs(value) + 0.01F;
    return values;
  }

  /// What softmax(q K^T scale) V of one query is in double precision.
  static std::vector<double> expected(const PackedCache& cache, const BFloat16* q, std::size_t visible,
                                      float scale) {
    const std::size_t head_dim = cache.head_dim;
    std::vector<double> weights(visible);
    double total = 0;
    for (std::size_t p = 0; p < visible; ++p) {
      double score = 0;
      for (std::size_t d = 0; d < head_dim; ++d) {
        score += double{tensor::to_float(q[d])} * cache.k[p * head_dim + d];
      }
      weights[p] = std::exp(score * scale);
      total += weights[p];
    }
    std::vector<double> out(head_dim);
    for (std::size_t p = 0; p < visible; ++p) {
      for (std::size_t d = 0; d < head_dim; ++d) out[d] += weights[p] / total * cache.v[p * head_dim + d];
    }
    return out;
  }

  static void is_softmax(const PackedCache& cache, const std::vector<BFloat16>& q, std::size_t ldq,
                         const std::vector<std::uint32_t>& visible, float scale,
                         const std::vector<float>& out) {
    for (std::size_t i = 0; i < visible.size(); ++i) {
      const std::vector<double> sums = expected(cache, &q[i * ldq], visible[i], scale);
      for (std::size_t d = 0; d < cache.head_dim; ++d) {
        // Weights are rounded to bfloat16: 2^-9 of each.
        ASSERT_NEAR(out[i * cache.head_dim + d], sums[d], 8e-3);
      }
    }
  }

  std::vector<float> run(const PackedCache& cache, const std::vector<BFloat16>& q, std::size_t ldq,
                         const std::vector<std::uint32_t>& visible, float scale,
                         const Kernels& kernels = *GetParam()) {
    const std::size_t rows = visible.size();
    const std::size_t last = *std::ranges::max_element(visible);
    std::vector<float> out = attend(cache, q, ldq, visible, 0, last, scale, kernels).out;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t d = 0; d < cache.head_dim; ++d) out[i * cache.head_dim + d] /= totals_[i];
    }
    return out;
  }

  struct Found {
    std::vector<float> out, tops, totals;
  };
  Found attend(const PackedCache& cache, const std::vector<BFloat16>& q, std::size_t ldq,
               const std::vector<std::uint32_t>& visible, std::size_t first, std::size_t last, float scale,
               const Kernels& kernels = *GetParam()) {
    Found found{.out = std::vector<float>(visible.size() * cache.head_dim, NAN),
                .tops = std::vector<float>(visible.size(), NAN),
                .totals = std::vector<float>(visible.size(), NAN)};
    kernels.attention_bf16({.q = q.data(),
                            .ldq = ldq,
                            .keys = cache.keys.data(),
                            .values = cache.values.data(),
                            .value_pairs = cache.value_pairs,
                            .key_scales = cache.key_scales.empty() ? nullptr : cache.key_scales.data(),
                            .value_scales = cache.value_scales.empty() ? nullptr : cache.value_scales.data(),
                            .visible = visible.data(),
                            .first = first,
                            .last = last,
                            .scale = scale,
                            .out = found.out.data(),
                            .out_stride = cache.head_dim,
                            .tops = found.tops.data(),
                            .totals = found.totals.data(),
                            .rows = visible.size(),
                            .head_dim = cache.head_dim});
    totals_ = found.totals;
    return found;
  }

  /// Queries [rows, ldq], zero past head_dim.
  std::vector<BFloat16> queries(std::size_t rows, std::size_t head_dim, std::size_t ldq) {
    std::vector<BFloat16> q(rows * ldq);
    const std::vector<float> values = random(rows * head_dim);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t d = 0; d < head_dim; ++d)
        q[i * ldq + d] = tensor::to_bfloat16(values[i * head_dim + d]);
    }
    return q;
  }

  std::vector<float> totals_;
};

TEST_P(AttentionKernelTest, EqualsSoftmaxInDoublePrecision) {
  for (const std::size_t head_dim : {16, 17, 32, 64, 72}) {
    for (const std::size_t positions : {1, 2, 15, 16, 17, 255, 256, 257, 300, 900}) {
      const PackedCache cache(positions, head_dim, random(positions * head_dim),
                              random(positions * head_dim));
      for (const std::size_t rows : {1, 3, 13, 48}) {
        const std::size_t ldq = head_dim + head_dim % 2 + 2;
        const auto q = queries(rows, head_dim, ldq);
        std::vector<std::uint32_t> visible(rows);
        for (auto& count : visible) count = static_cast<std::uint32_t>(random_size(1, positions));
        const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
        const auto out = run(cache, q, ldq, visible, scale);
        ASSERT_NO_FATAL_FAILURE(is_softmax(cache, q, ldq, visible, scale, out))
            << rows << " x " << positions << " x " << head_dim;
      }
    }
  }
}

TEST_P(AttentionKernelTest, WholeNumbersWithScalesEqualSoftmaxInDoublePrecisionAndThePortableSet) {
  for (const std::size_t head_dim : {16, 17, 32, 64, 80, 96}) {
    for (const std::size_t positions : {1, 2, 15, 17, 255, 256, 257, 530}) {
      PackedCache cache(positions, head_dim, whole_numbers(positions * head_dim),
                        whole_numbers(positions * head_dim));
      cache.scale(scales(positions), scales(positions));
      for (const std::size_t rows : {1, 3, 7, 48}) {
        const std::size_t ldq = head_dim + head_dim % 2;
        const auto q = queries(rows, head_dim, ldq);
        std::vector<std::uint32_t> visible(rows);
        for (auto& count : visible) count = static_cast<std::uint32_t>(random_size(1, positions));
        const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
        const auto out = run(cache, q, ldq, visible, scale);
        ASSERT_NO_FATAL_FAILURE(is_softmax(cache, q, ldq, visible, scale, out))
            << rows << " x " << positions << " x " << head_dim;
        const auto portable = run(cache, q, ldq, visible, scale, *supported_kernels().front());
        for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], portable[i], 8e-3);
      }
    }
  }
}

TEST_P(AttentionKernelTest, WideningInt8IsExactForEveryByteAndTouchesNothingElse) {
  for (const std::size_t n : {32, 64, 96, 256, 1056}) {
    std::vector<std::int8_t> bytes(n);
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::int8_t>(i * 77 % 256 - 128);
    constexpr BFloat16 kUntouched{0x1234};
    std::vector<BFloat16> out(n + 1, kUntouched);
    GetParam()->widen_int8(bytes.data(), out.data(), n);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(tensor::to_float(out[i]), bytes[i]);
    EXPECT_EQ(out[n].bits, kUntouched.bits);
  }
}

TEST_P(AttentionKernelTest, ARowDoesNotDependOnTheRowsBesideIt) {
  constexpr std::size_t kHeadDim = 64, kPositions = 700, kRows = 48;
  const PackedCache cache(kPositions, kHeadDim, random(kPositions * kHeadDim), random(kPositions * kHeadDim));
  const auto q = queries(kRows, kHeadDim, kHeadDim);
  std::vector<std::uint32_t> visible(kRows);
  for (auto& count : visible) count = static_cast<std::uint32_t>(random_size(1, kPositions));
  const auto together = run(cache, q, kHeadDim, visible, 0.125F);
  for (std::size_t i = 0; i < kRows; ++i) {
    const std::vector<BFloat16> one(q.begin() + static_cast<std::ptrdiff_t>(i * kHeadDim),
                                    q.begin() + static_cast<std::ptrdiff_t>((i + 1) * kHeadDim));
    const auto alone = run(cache, one, kHeadDim, {visible[i]}, 0.125F);
    EXPECT_TRUE(
        std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(i * kHeadDim)));
  }
}

TEST_P(AttentionKernelTest, ChunksMergedAfterwardsAreTheSameBitForBit) {
  constexpr std::size_t kHeadDim = 40, kPositions = 900;
  const PackedCache cache(kPositions, kHeadDim, random(kPositions * kHeadDim), random(kPositions * kHeadDim));
  const auto q = queries(4, kHeadDim, kHeadDim);
  const std::vector<std::uint32_t> visible = {900, 513, 256, 1};  // some rows see nothing of later chunks
  const Found whole = attend(cache, q, kHeadDim, visible, 0, kPositions, 0.2F);
  Found merged = attend(cache, q, kHeadDim, visible, 0, kAttentionChunk, 0.2F);
  for (std::size_t first = kAttentionChunk; first < kPositions; first += kAttentionChunk) {
    Found part =
        attend(cache, q, kHeadDim, visible, first, std::min(kPositions, first + kAttentionChunk), 0.2F);
    for (std::size_t i = 0; i < visible.size(); ++i) {
      AttentionRow into{&merged.out[i * kHeadDim], merged.tops[i], merged.totals[i]};
      const AttentionRow from{&part.out[i * kHeadDim], part.tops[i], part.totals[i]};
      GetParam()->merge_attention(into, from, 0.2F, kHeadDim);
      merged.tops[i] = into.top;
      merged.totals[i] = into.total;
    }
  }
  EXPECT_EQ(merged.out, whole.out);
  EXPECT_EQ(merged.tops, whole.tops);
  EXPECT_EQ(merged.totals, whole.totals);
}

TEST_P(AttentionKernelTest, LargeScoresDoNotOverflow) {
  const PackedCache cache(600, 32, random(600 * 32, 300.0F), random(600 * 32));
  const auto q = queries(4, 32, 32);
  for (const float value : run(cache, q, 32, {600, 1, 300, 599}, 1.0F)) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(AttentionKernelTest, TheHighestScoresShareTheWeightsHoweverLargeTheyAre) {
  constexpr std::size_t kHeadDim = 16, kPositions = 300;
  for (const float size : {1e4F, 1e6F, 3e9F, 7e12F}) {
    // The first two positions of the second chunk have the highest score, all others minus that.
    std::vector<float> k(kPositions * kHeadDim, -size), v(kPositions * kHeadDim, 5.0F);
    std::fill_n(k.begin() + kAttentionChunk * kHeadDim, 2 * kHeadDim, size);
    std::fill_n(v.begin() + kAttentionChunk * kHeadDim, kHeadDim, 1.0F);
    std::fill_n(v.begin() + (kAttentionChunk + 1) * kHeadDim, kHeadDim, 2.0F);
    const PackedCache cache(kPositions, kHeadDim, std::move(k), std::move(v));
    const std::vector<BFloat16> q(kHeadDim, tensor::to_bfloat16(size));
    for (const float scale : {0.1F, 0.117851130F, 0.125F, 0.25F, 0.7F}) {
      const Found found = attend(cache, q, kHeadDim, {kPositions}, 0, kPositions, scale);
      ASSERT_NEAR(found.totals[0], 2.0F, 1e-3) << size << " and " << scale;
      for (const float sum : found.out) ASSERT_NEAR(sum, 3.0F, 1e-2) << size << " and " << scale;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, AttentionKernelTest, testing::ValuesIn(supported_kernels()), isa_name);

}  // namespace
}  // namespace fovea::kernels
