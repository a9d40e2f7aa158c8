#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fovea::kernels::amx {

inline constexpr std::size_t kTransposed = 16;  ///< lines of 16 values of 4 bytes: what a tile holds

#if !defined(FOVEA_EMULATE_ISA)

namespace transpose_steps {

using Lines = __m512i[kTransposed];

/// Every pair of lines kDistance apart replaced by `low` and `high` of both.
template <std::size_t kDistance, class Low, class High>
inline void exchange(Lines& lines, Low low, High high) {
#pragma unroll
  for (std::size_t i = 0; i < kTransposed; ++i) {
    if ((i & kDistance) != 0) continue;
    const __m512i a = lines[i], b = lines[i + kDistance];
    lines[i] = low(a, b);
    lines[i + kDistance] = high(a, b);
  }
}

template <std::size_t kDistance>
inline void exchange_quarters(Lines& lines) {
  exchange<kDistance>(
      lines, [](__m512i a, __m512i b) { return _mm512_shuffle_i32x4(a, b, 0x88); },
      [](__m512i a, __m512i b) { return _mm512_shuffle_i32x4(a, b, 0xDD); });
}

/// Interleaving leaves columns in lines whose two lowest bits are exchanged.
constexpr std::size_t line_of(std::size_t column) {
  return (column & 12U) | (column & 1U) << 1U | (column >> 1U & 1U);
}

}  // namespace transpose_steps

/// The transpose of `rows` (1 to 16) rows of `bytes` (2 to 64, even) bytes taken as values of four bytes; two
/// bytes left at the end count as a value whose upper half is zero. Writes (bytes + 2) / 4 rows of `rows`
/// values. Strides count bytes.
inline void transpose(const void* from, std::size_t from_stride, std::size_t rows, std::size_t bytes,
                      void* to, std::size_t to_stride) {
  namespace steps = transpose_steps;
  steps::Lines lines;
  const auto halves = static_cast<__mmask32>((std::uint64_t{1} << (bytes / 2)) - 1);
#pragma unroll
  for (std::size_t i = 0; i < kTransposed; ++i) {
    const auto* row = static_cast<const std::uint8_t*>(from) + i * from_stride;
    lines[i] = i < rows ? _mm512_maskz_loadu_epi16(halves, row) : _mm512_setzero_si512();
  }
  steps::exchange<1>(
      lines, [](__m512i a, __m512i b) { return _mm512_unpacklo_epi32(a, b); },
      [](__m512i a, __m512i b) { return _mm512_unpackhi_epi32(a, b); });
  steps::exchange<2>(
      lines, [](__m512i a, __m512i b) { return _mm512_unpacklo_epi64(a, b); },
      [](__m512i a, __m512i b) { return _mm512_unpackhi_epi64(a, b); });
  steps::exchange_quarters<4>(lines);
  steps::exchange_quarters<8>(lines);
  const auto filled = static_cast<__mmask16>((1U << rows) - 1);
  const std::size_t columns = (bytes + 2) / 4;
#pragma unroll
  for (std::size_t i = 0; i < kTransposed; ++i) {
    if (i < columns) {
      _mm512_mask_storeu_epi32(static_cast<std::uint8_t*>(to) + i * to_stride, filled,
                               lines[steps::line_of(i)]);
    }
  }
}

#else

inline void transpose(const void* from, std::size_t from_stride, std::size_t rows, std::size_t bytes,
                      void* to, std::size_t to_stride) {
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; 4 * column < bytes; ++column) {
      std::uint32_t value = 0;
      std::memcpy(&value, static_cast<const std::uint8_t*>(from) + row * from_stride + 4 * column,
                  bytes - 4 * column < 4 ? 2 : 4);
      std::memcpy(static_cast<std::uint8_t*>(to) + column * to_stride + 4 * row, &value, sizeof value);
    }
  }
}

#endif

}  // namespace fovea::kernels::amx
