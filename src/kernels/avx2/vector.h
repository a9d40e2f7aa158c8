#pragma once

#include "kernels/generic/packed.h"
#include "kernels/generic/vector_ymm.h"

namespace fovea::kernels::avx2 {

struct Set;
using Vector = generic::VectorYmm<Set>;

/// Signed bytes of A and B by sign transfer: |a| times (b with a's sign) cannot overflow the 16-bit pair sums
/// of vpmaddubsw, since both magnitudes are at most 127.
struct Int8Dot : generic::Int8Ymm<Set> {
  struct Row {
    __m256i value, magnitude;
  };
  static constexpr int kOffset = 0;

  static Row broadcast(const std::uint8_t* p) {
    const __m256i value = broadcast_four(p);
    return {value, _mm256_abs_epi8(value)};
  }
  static Sum accumulate(Sum sum, Row row, Columns columns) {
    const __m256i pairs = _mm256_maddubs_epi16(row.magnitude, _mm256_sign_epi8(columns, row.value));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

/// The same with less work where a row meets many columns: b is complemented rather than negated where a is
/// negative, |a| * -b = |a| * ~b + |a|, and the last term is added once. |~b| is at most 128: two products
/// still fit 16 bits.
struct Int8TileDot : Int8Dot {
  struct Row {
    __m256i negative, magnitude;
  };

  static Row broadcast(const std::uint8_t* p) {
    const __m256i value = broadcast_four(p);
    return {_mm256_cmpgt_epi8(zero(), value), _mm256_abs_epi8(value)};
  }
  static Sum accumulate(Sum sum, Row row, Columns columns) {
    const __m256i pairs = _mm256_maddubs_epi16(row.magnitude, _mm256_xor_si256(columns, row.negative));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  /// The sum of |a| over negative a.
  static Sum row_start(const std::uint8_t* a, std::size_t k) {
    __m256i sum = zero();
    for (std::size_t i = 0; i < k; i += kBytes) {
      const __m256i negative = _mm256_min_epi8(load(a + i), zero());
      sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_abs_epi8(negative), zero()));
    }
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm256_broadcastd_epi32(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)));
  }
};

/// What the generic kernels are built from; 8 of 16 registers hold sums.
struct Isa {
  using Vector = avx2::Vector;
  using Dot = Int8Dot;
  using TileDot = Int8TileDot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 2;
  static constexpr std::size_t kBlocks = 2;
  static constexpr std::size_t kFewRowBlocks = 1;
};

/// Widened bfloat16 takes more registers beside its sums.
struct AttentionIsa : Isa {
  static constexpr std::size_t kRows = 4;
  static constexpr std::size_t kBlocks = 1;
};

}  // namespace fovea::kernels::avx2
