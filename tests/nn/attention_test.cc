#include "nn/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/random_values.h"

// Attention against the formula in double precision, for every instruction set of this processor.

namespace fovea::nn {
namespace {

/// softmax(q K^T / sqrt(d)) V of one query over `seen` positions; k, v: [position, head] with this stride.
std::vector<double> attend(const float* q, const float* k, const float* v, std::size_t seen,
                           std::size_t stride, std::size_t head_dim) {
  std::vector<double> scores(seen);
  double highest = -INFINITY;
  for (std::size_t i = 0; i < seen; ++i) {
    for (std::size_t d = 0; d < head_dim; ++d)
      scores[i] += static_cast<double>(q[d]) * static_cast<double>(k[i * stride + d]);
    scores[i] /= std::sqrt(static_cast<double>(head_dim));
    highest = std::max(highest, scores[i]);
  }
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - highest);
  std::vector<double> out(head_dim);
  for (std::size_t i = 0; i < seen; ++i) {
    for (std::size_t d = 0; d < head_dim; ++d)
      out[d] += scores[i] / sum * static_cast<double>(v[i * stride + d]);
  }
  return out;
}

constexpr double kFloatTolerance = 2e-5;
/// bfloat16 has 8 bits: operands and attention weights are off by 2^-9 of themselves.
constexpr double kBf16Tolerance = 4e-2;
/// Keys and values in int8 besides by half a step of 1/127 of the largest.
constexpr double kInt8Tolerance = 6e-2;

void expect_near(const float* found, const std::vector<double>& expected, double tolerance,
                 const std::string& where) {
  for (std::size_t d = 0; d < expected.size(); ++d) ASSERT_NEAR(found[d], expected[d], tolerance) << where;
}

constexpr Precision kPrecisions[] = {Precision::kF32, Precision::kBF16, Precision::kInt8};
constexpr KeyValueType kKeyValueTypes[] = {KeyValueType::kF32, KeyValueType::kBF16, KeyValueType::kInt8};

class BidirectionalAttentionTest : public testing::TestWithParam<Precision> {
 protected:
  static double tolerance() {
    return GetParam() == Precision::kF32    ? kFloatTolerance
           : GetParam() == Precision::kBF16 ? kBf16Tolerance
                                            : kInt8Tolerance;
  }
};
class CausalAttentionTest : public testing::TestWithParam<KeyValueType> {
 protected:
  static double tolerance() {
    return GetParam() == KeyValueType::kF32    ? kFloatTolerance
           : GetParam() == KeyValueType::kBF16 ? kBf16Tolerance
                                               : kInt8Tolerance;
  }
};
INSTANTIATE_TEST_SUITE_P(Weights, BidirectionalAttentionTest, testing::ValuesIn(kPrecisions),
                         [](const auto& info) { return precision_name(info.param); });
INSTANTIATE_TEST_SUITE_P(KeysAndValues, CausalAttentionTest, testing::ValuesIn(kKeyValueTypes),
                         [](const auto& info) { return key_value_type_name(info.param); });

struct VisionCase {
  std::size_t frames, tokens, heads, head_dim;
};
constexpr VisionCase kVision[] = {{1, 1, 1, 16},  {2, 36, 3, 24}, {3, 25, 2, 72},
                                  {1, 130, 1, 9}, {2, 64, 4, 64}, {1, 601, 1, 80}};

std::vector<float> bidirectional(const VisionCase& size, const std::vector<float>& q,
                                 const std::vector<float>& k, const std::vector<float>& v,
                                 const kernels::Kernels& kernels, std::size_t threads, Precision weights) {
  WorkerTeam team(threads);
  std::vector<float> out(q.size());
  bidirectional_attention({kernels, team}, {size.heads, size.heads, size.head_dim}, weights, q.data(),
                          k.data(), v.data(), size.frames, size.tokens, out.data());
  return out;
}

TEST_P(BidirectionalAttentionTest, EveryTokenSeesAllTokensOfItsFrameAndNoOther) {
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    for (const VisionCase& size : kVision) {
      const std::size_t width = size.heads * size.head_dim;
      const std::size_t total = size.frames * size.tokens * width;
      const auto q = random_values(total, 1);
      const auto k = random_values(total, 2);
      const auto v = random_values(total, 3);
      const auto out = bidirectional(size, q, k, v, *kernels, 2, GetParam());
      for (std::size_t token = 0; token < size.frames * size.tokens; ++token) {
        for (std::size_t head = 0; head < size.heads; ++head) {
          const std::size_t at = token * width + head * size.head_dim;
          const std::size_t frame = token / size.tokens * size.tokens * width + head * size.head_dim;
          expect_near(
              out.data() + at,
              attend(q.data() + at, k.data() + frame, v.data() + frame, size.tokens, width, size.head_dim),
              tolerance(),
              fmt::format("{}: {} frames of {} tokens, head_dim {}: token {} head {}", kernels->isa,
                          size.frames, size.tokens, size.head_dim, token, head));
        }
      }
      EXPECT_EQ(bidirectional(size, q, k, v, *kernels, 1, GetParam()), out) << kernels->isa;
      EXPECT_EQ(bidirectional(size, q, k, v, *kernels, 3, GetParam()), out) << kernels->isa;
    }
  }
}

TEST_P(BidirectionalAttentionTest, LargeScoresDoNotOverflow) {
  const VisionCase size{1, 20, 1, 16};
  const auto q = random_values(320, 4, 100.0F);
  const auto v = random_values(320, 5);
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    for (const float value : bidirectional(size, q, q, v, *kernels, 1, GetParam()))
      EXPECT_TRUE(std::isfinite(value));
  }
}

struct TextCase {
  std::size_t heads, key_value_heads, head_dim, start, tokens;
};
constexpr TextCase kText[] = {{1, 1, 16, 0, 1},  {6, 2, 16, 0, 70},  {4, 1, 24, 0, 33}, {4, 4, 20, 7, 30},
                              {3, 1, 64, 50, 1}, {9, 3, 10, 25, 26}, {2, 2, 8, 129, 3}, {3, 1, 8, 200, 120},
                              {2, 1, 8, 599, 2}, {2, 1, 8, 255, 1},  {2, 1, 8, 256, 1}, {2, 1, 80, 30, 27},
                              {3, 1, 96, 0, 19}, {1, 1, 7, 20, 5}};

/// Keys and values of a sequence, appended in pieces.
void append(const Compute& compute, const AttentionShape& shape, KeyValuePool& pool,
            KeyValueSequence& sequence, const std::vector<float>& k, const std::vector<float>& v,
            std::size_t positions) {
  const std::size_t row = shape.key_value_heads * shape.head_dim;
  while (sequence.length() < positions) {
    const std::size_t at = sequence.length();
    const std::size_t count = std::min<std::size_t>(at == 0 ? 5 : 31, positions - at);
    const SequenceRows rows{&sequence, count};
    store_keys_values(compute, shape, pool.layer(0), {&rows, 1}, k.data() + at * row, v.data() + at * row);
    sequence.advance(count);
  }
}

std::vector<float> causal(const TextCase& size, const std::vector<float>& q, const std::vector<float>& k,
                          const std::vector<float>& v, const kernels::Kernels& kernels, std::size_t threads,
                          KeyValueType type, std::size_t room = 0) {
  const AttentionShape shape{size.heads, size.key_value_heads, size.head_dim};
  const std::size_t positions = size.start + size.tokens;
  WorkerTeam team(threads);
  KeyValuePool pool(shape, 1, (positions + room) / kPagePositions + 1, type);
  KeyValueSequence sequence(pool);
  EXPECT_TRUE(sequence.reserve(positions + room));
  append({kernels, team}, shape, pool, sequence, k, v, positions);
  sequence.truncate(size.start);
  std::vector<float> out(q.size());
  const SequenceRows rows{&sequence, size.tokens};
  causal_attention({kernels, team}, shape, pool.layer(0), {&rows, 1}, q.data(), out.data());
  return out;
}

TEST_P(CausalAttentionTest, ATokenSeesItselfAndWhatIsBeforeItThroughItsGroupsHead) {
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    for (const TextCase& size : kText) {
      const std::size_t width = size.heads * size.head_dim;
      const std::size_t row = size.key_value_heads * size.head_dim;
      const std::size_t positions = size.start + size.tokens;
      const auto q = random_values(size.tokens * width, 6);
      const auto k = random_values(positions * row, 7);
      const auto v = random_values(positions * row, 8);
      const auto out = causal(size, q, k, v, *kernels, 2, GetParam());
      for (std::size_t token = 0; token < size.tokens; ++token) {
        for (std::size_t head = 0; head < size.heads; ++head) {
          const std::size_t shared = head / (size.heads / size.key_value_heads) * size.head_dim;
          const std::size_t at = token * width + head * size.head_dim;
          expect_near(out.data() + at,
                      attend(q.data() + at, k.data() + shared, v.data() + shared, size.start + token + 1, row,
                             size.head_dim),
                      tolerance(),
                      fmt::format("{}: {}/{} heads of {}, start {}: token {} head {}", kernels->isa,
                                  size.heads, size.key_value_heads, size.head_dim, size.start, token, head));
        }
      }
      EXPECT_EQ(causal(size, q, k, v, *kernels, 1, GetParam()), out) << kernels->isa;
      EXPECT_EQ(causal(size, q, k, v, *kernels, 3, GetParam()), out) << kernels->isa;
    }
  }
}

TEST_P(CausalAttentionTest, UnusedRoomInTheCacheChangesNoBit) {
  const TextCase size{4, 2, 16, 10, 40};
  const auto q = random_values(40 * 64, 9);
  const auto k = random_values(50 * 32, 10);
  const auto v = random_values(50 * 32, 11);
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    const auto tight = causal(size, q, k, v, *kernels, 1, GetParam());
    EXPECT_EQ(causal(size, q, k, v, *kernels, 1, GetParam(), 1), tight) << kernels->isa;
    EXPECT_EQ(causal(size, q, k, v, *kernels, 1, GetParam(), 1000), tight) << kernels->isa;
  }
}

TEST_P(CausalAttentionTest, SequencesOfOneBatchDoNotTouchOneAnother) {
  const AttentionShape shape{6, 2, 16};
  constexpr TextCase kSizes[] = {
      {6, 2, 16, 300, 1}, {6, 2, 16, 0, 70}, {6, 2, 16, 20, 2}, {6, 2, 16, 511, 30}};
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    WorkerTeam team(2);
    const Compute compute{*kernels, team};
    KeyValuePool pool(shape, 1, 9, GetParam());
    std::vector<KeyValueSequence> sequences;
    std::vector<std::vector<float>> q, k, v;
    std::vector<float> queries;
    for (const TextCase& size : kSizes) {
      const auto seed = static_cast<std::uint32_t>(10 * sequences.size());
      q.push_back(random_values(size.tokens * 96, seed));
      k.push_back(random_values((size.start + size.tokens) * 32, seed + 1));
      v.push_back(random_values((size.start + size.tokens) * 32, seed + 2));
      queries.insert(queries.end(), q.back().begin(), q.back().end());
      ASSERT_TRUE(sequences.emplace_back(pool).reserve(size.start + size.tokens));
    }
    std::vector<SequenceRows> batch;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      append(compute, shape, pool, sequences[i], k[i], v[i], kSizes[i].start + kSizes[i].tokens);
      sequences[i].truncate(kSizes[i].start);
      batch.push_back({&sequences[i], kSizes[i].tokens});
    }
    std::vector<float> together(queries.size());
    causal_attention(compute, shape, pool.layer(0), batch, queries.data(), together.data());
    std::vector<float> alone;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const auto out = causal(kSizes[i], q[i], k[i], v[i], *kernels, 1, GetParam());
      alone.insert(alone.end(), out.begin(), out.end());
    }
    EXPECT_EQ(together, alone) << kernels->isa;
  }
}

TEST_P(CausalAttentionTest, AnAdoptedBeginningIsTheSameToTheBit) {
  const TextCase size{4, 2, 16, 300, 3};
  const AttentionShape shape{4, 2, 16};
  const auto q = random_values(3 * 64, 1);
  const auto k = random_values(303 * 32, 2);
  const auto v = random_values(303 * 32, 3);
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    WorkerTeam team(1);
    const Compute compute{*kernels, team};
    KeyValuePool pool(shape, 1, 8, GetParam());
    KeyValueSequence first(pool), second(pool);
    ASSERT_TRUE(first.reserve(400));
    append(compute, shape, pool, first, k, v, 280);
    ASSERT_TRUE(second.adopt(first.pages(), 270));
    ASSERT_TRUE(second.reserve(303));
    EXPECT_TRUE(pool.is_shared(first.pages()[0]));
    EXPECT_FALSE(pool.is_shared(first.pages()[1]));
    // The first goes its own way from position 280, which the second must not see.
    const auto other = random_values(303 * 32, 4);
    append(compute, shape, pool, first, other, other, 303);
    append(compute, shape, pool, second, k, v, 303);
    first.clear();
    second.truncate(300);
    std::vector<float> out(q.size());
    const SequenceRows rows{&second, 3};
    causal_attention(compute, shape, pool.layer(0), {&rows, 1}, q.data(), out.data());
    EXPECT_EQ(out, causal(size, q, k, v, *kernels, 1, GetParam())) << kernels->isa;
  }
}

TEST(KeyValuePoolTest, PagesAreTakenSharedAndGivenBack) {
  KeyValuePool pool({1, 1, 8}, 2, 3, KeyValueType::kBF16);
  KeyValueSequence first(pool);
  ASSERT_TRUE(first.reserve(kPagePositions + 1));
  EXPECT_EQ(pool.available(), 1U);
  EXPECT_TRUE(first.reserve(2 * kPagePositions));
  EXPECT_EQ(pool.available(), 1U);
  KeyValueSequence second(pool);
  EXPECT_FALSE(second.reserve(2 * kPagePositions)) << "one page is left";
  EXPECT_EQ(pool.available(), 1U) << "nothing was taken";
  ASSERT_TRUE(second.adopt(first.pages(), kPagePositions));
  EXPECT_EQ(pool.available(), 1U) << "a whole page is shared, not copied";
  first.clear();
  EXPECT_EQ(pool.available(), 2U);
  KeyValueSequence third = std::move(second);
  EXPECT_EQ(third.length(), kPagePositions);
  third.clear();
  EXPECT_EQ(pool.available(), 3U);
}

TEST(BidirectionalAttentionPrecisionTest, IsInt8BesideNarrowWeightsWhereHeadsFillTheProductsOfTheSet) {
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    const Precision narrow = kernels->attention_int8 == nullptr ? Precision::kBF16 : Precision::kInt8;
    for (const Precision weights : {Precision::kInt8, Precision::kInt4}) {
      EXPECT_EQ(bidirectional_attention_precision(*kernels, 64, weights), narrow) << kernels->isa;
      EXPECT_EQ(bidirectional_attention_precision(*kernels, 128, weights), narrow) << kernels->isa;
      EXPECT_EQ(bidirectional_attention_precision(*kernels, 32, weights), Precision::kBF16) << kernels->isa;
    }
    for (const Precision weights : {Precision::kF32, Precision::kBF16}) {
      EXPECT_EQ(bidirectional_attention_precision(*kernels, 64, weights), weights) << kernels->isa;
    }
  }
}

TEST(KeyValuePoolTest, Int8TakesAboutHalfOfTheBytes) {
  const auto bytes = [](const AttentionShape& shape, KeyValueType type) {
    return static_cast<double>(KeyValuePool(shape, 32, 1, type).page_bytes());
  };
  const AttentionShape large{15, 5, 64}, small{12, 4, 32};
  EXPECT_LT(bytes(large, KeyValueType::kInt8), 0.54 * bytes(large, KeyValueType::kBF16));
  EXPECT_LT(bytes(small, KeyValueType::kInt8), 0.57 * bytes(small, KeyValueType::kBF16));
}

TEST(KeyValuePoolTest, AFewLargeChannelsDoNotLeaveTheOthersOfAnInt8HeadNoBits) {
  constexpr std::size_t kHeadDim = 64, kPositions = 3;
  const TextCase size{1, 1, kHeadDim, kPositions - 1, 1};
  const auto q = random_values(kHeadDim, 1, 0.1F);
  const auto k = random_values(kPositions * kHeadDim, 2, 0.1F);
  auto v = random_values(kPositions * kHeadDim, 3);
  for (std::size_t i = 0; i < kPositions; ++i) v[i * kHeadDim + 5] = 60;
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    const auto out = causal(size, q, k, v, *kernels, 1, KeyValueType::kInt8);
    const auto wanted = attend(q.data(), k.data(), v.data(), kPositions, kHeadDim, kHeadDim);
    double error = 0;
    for (std::size_t d = 0; d < kHeadDim; ++d) error += std::pow(out[d] - wanted[d], 2) / kHeadDim;
    // Without a transform the others would be rounded to steps of 60 / 127: off by 0.08 after averaging.
    EXPECT_LT(std::sqrt(error), 0.03) << kernels->isa;
  }
}

}  // namespace
}  // namespace fovea::nn
