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
  /// Nibbles are the unsigned side: 16 products of at most 15 * 127 each fit 16 bits.
  static Sum multiply_nibbles(const std::uint8_t* a, const std::uint8_t* b, Sum start) {
    __m256i sums = zero();
#pragma unroll
    for (std::size_t pair = 0; pair < 4; ++pair) {
      const Columns packed = load(b + pair * kPackedStep);
      sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(low(packed), broadcast_four(a + 8 * pair)));
      sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(high(packed), broadcast_four(a + 8 * pair + 4)));
    }
    return _mm256_add_epi32(start, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
  }
};

/// The same with less work where a row meets many columns: b is complemented rather than negated where a is
/// negative, |a| * -b = |a| * ~b + |a|, and the last term is added once. |~b| is at most 128: two products
/// still fit 16 bits. Magnitudes and signs of a row are found before it meets the columns: on processors with
/// two multipliers and four vector pipes (Zen) every further operation in the loop costs multiplications.
struct Int8TileDot : Int8Dot {
  struct Row {
    __m256i negative, magnitude;
  };
  static constexpr std::size_t kRowStep = 8;  ///< of a prepared row: four magnitudes, four masks of signs

  /// The row of k bytes as four magnitudes, four signs and so on; returns the sum of |a| over negative a.
  static Sum prepare(const std::uint8_t* a, std::size_t k, std::uint8_t* out) {
    Sum sum = zero();
    for (std::size_t i = 0; i < k; i += kBytes, out += 2 * kBytes) {
      const __m256i value = load(a + i);
      const __m256i negative = _mm256_cmpgt_epi8(zero(), value), magnitude = _mm256_abs_epi8(value);
      sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_and_si256(magnitude, negative), zero()));
      const __m256i low = _mm256_unpacklo_epi32(magnitude, negative);
      const __m256i high = _mm256_unpackhi_epi32(magnitude, negative);
      auto* to = reinterpret_cast<__m128i*>(out);
      _mm_storeu_si128(to, _mm256_castsi256_si128(low));
      _mm_storeu_si128(to + 1, _mm256_castsi256_si128(high));
      _mm_storeu_si128(to + 2, _mm256_extracti128_si256(low, 1));
      _mm_storeu_si128(to + 3, _mm256_extracti128_si256(high, 1));
    }
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm256_broadcastd_epi32(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)));
  }
  static Row broadcast(const std::uint8_t* prepared) {
    return {.negative = broadcast_four(prepared + 4), .magnitude = broadcast_four(prepared)};
  }
  static Sum accumulate(Sum sum, Row row, Columns columns) {
    const __m256i pairs = _mm256_maddubs_epi16(row.magnitude, _mm256_xor_si256(columns, row.negative));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

/// What the generic kernels are built from; 8 of 16 registers hold sums. One row at a time: its two registers
/// serve eight of columns, which come from memory as operands.
struct Isa {
  using Vector = avx2::Vector;
  using Dot = Int8Dot;
  using TileDot = Int8TileDot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 1;
  static constexpr std::size_t kBlocks = 4;
  static constexpr std::size_t kFewRowBlocks = 1;
};

/// Widened bfloat16 takes more registers beside its sums.
struct AttentionIsa : Isa {
  static constexpr std::size_t kRows = 4;
  static constexpr std::size_t kBlocks = 1;
};

}  // namespace fovea::kernels::avx2
