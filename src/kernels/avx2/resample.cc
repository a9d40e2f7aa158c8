#include "kernels/resample.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace fovea::kernels {

namespace portable {
ResampleKernels resample_kernels();
}

namespace avx2 {
namespace {

/// The upper and the lower parts of sums, eight lanes each.
struct Sums {
  __m256i upper = _mm256_setzero_si256();
  __m256i lower = _mm256_setzero_si256();

  /// Pairs of neighbouring 16-bit pixels times pairs of weights.
  void add(__m256i pixels, __m256i upper_weights, __m256i lower_weights) {
    upper = _mm256_add_epi32(upper, _mm256_madd_epi16(pixels, upper_weights));
    lower = _mm256_add_epi32(lower, _mm256_madd_epi16(pixels, lower_weights));
  }
  [[nodiscard]] __m256i whole() const {
    return _mm256_add_epi32(_mm256_slli_epi32(upper, kResampleLowerBits), lower);
  }
};

__m256i rounded(__m256i sums) {
  const __m256i half = _mm256_set1_epi32(1 << (kResampleFractionBits - 1));
  return _mm256_srai_epi32(_mm256_add_epi32(sums, half), kResampleFractionBits);
}

__m256i two_weights(const std::int16_t* pair) {
  std::int32_t both = 0;
  std::memcpy(&both, pair, sizeof both);
  return _mm256_set1_epi32(both);
}

/// 32 bytes at `at`.
void blend_block(const BlendRows& blend, std::size_t at) {
  const __m256i zero = _mm256_setzero_si256();
  Sums a, b, c, d;  // bytes 0-3, 4-7, 8-11, 12-15 of either half
  for (std::size_t row = 0; row < blend.rows; row += 2) {
    const std::uint8_t* from = blend.source + row * blend.stride + at;
    const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i odd = row + 1 < blend.rows
                            ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + blend.stride))
                            : zero;
    const std::int16_t* group =
        blend.weights + row / kResampleGroup * 2 * kResampleGroup + row % kResampleGroup;
    const __m256i upper = two_weights(group), lower = two_weights(group + kResampleGroup);
    const __m256i low = _mm256_unpacklo_epi8(even, odd), high = _mm256_unpackhi_epi8(even, odd);
    a.add(_mm256_unpacklo_epi8(low, zero), upper, lower);
    b.add(_mm256_unpackhi_epi8(low, zero), upper, lower);
    c.add(_mm256_unpacklo_epi8(high, zero), upper, lower);
    d.add(_mm256_unpackhi_epi8(high, zero), upper, lower);
  }
  const __m256i first = _mm256_packs_epi32(rounded(a.whole()), rounded(b.whole()));
  const __m256i second = _mm256_packs_epi32(rounded(c.whole()), rounded(d.whole()));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(blend.out + at), _mm256_packus_epi16(first, second));
}

constexpr std::size_t kBlock = 32;

void blend_rows(const BlendRows& blend) {
  if (blend.bytes < kBlock) return portable::resample_kernels().blend_rows(blend);
  std::size_t at = 0;
  for (; at + kBlock <= blend.bytes; at += kBlock) blend_block(blend, at);
  if (at < blend.bytes)
    blend_block(blend, blend.bytes - kBlock);  // the last ones again, with their neighbours
}

constexpr std::size_t kRows = 4;          // that share a weight while it is in a register
constexpr std::size_t kGroupBytes = 16;   // what is loaded for four pixels of three bytes
constexpr std::size_t kGroupPixels = 12;  // what of that is used

/// Four pixels as pairs of 16 bits: in the lower half those of the first two, channel by channel, in the
/// upper half those of the other two. The fourth pair of each half is zero.
__m256i pair_up(__m128i pixels) {
  const __m256i order = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(pixels), order);
}

/// A group of four pixels at `from`, of which the first `bytes` may be read.
__m128i load_group(const std::uint8_t* from, std::size_t bytes) {
  if (bytes >= kGroupBytes) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  alignas(16) std::uint8_t copy[kGroupBytes] = {};
  std::memcpy(copy, from, std::min(bytes, kGroupPixels));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(copy));
}

/// The sums of both halves of two rows, [row a, row b].
__m256i two_rows(const Sums& a, const Sums& b) {
  const __m256i first = a.whole(), second = b.whole();
  return rounded(_mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20),
                                  _mm256_permute2x128_si256(first, second, 0x31)));
}

/// One output pixel of four rows, some of which may be the same. kInside: whole groups may be read.
template <bool kInside>
__m256i blend_pixel(const BlendPixels& blend, const std::uint8_t* const* rows, std::size_t x) {
  const __m256i upper_order = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,  //
                                               4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
  const __m256i lower_order = _mm256_add_epi8(upper_order, _mm256_set1_epi8(8));
  const auto first = static_cast<std::size_t>(blend.first[x]);
  const std::int16_t* weights = blend.weights + x * blend.groups * 2 * kResampleGroup;
  Sums sums[kRows];
  for (std::size_t group = 0; group < blend.groups; ++group) {
    const std::size_t pixel = first + group * kResampleGroup;
    if (!kInside && pixel >= blend.source_width) break;
    const __m256i both = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + group * 2 * kResampleGroup)));
    const __m256i upper = _mm256_shuffle_epi8(both, upper_order);
    const __m256i lower = _mm256_shuffle_epi8(both, lower_order);
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::size_t bytes = kInside ? kGroupBytes : 3 * (blend.source_width - pixel);
      sums[row].add(pair_up(load_group(rows[row] + 3 * pixel, bytes)), upper, lower);
    }
  }
  const __m256i words = _mm256_packs_epi32(two_rows(sums[0], sums[1]), two_rows(sums[2], sums[3]));
  return _mm256_packus_epi16(words, words);  // rows 0 and 2 in the lower half, 1 and 3 in the upper
}

/// Writes pixels as blend_pixel gives them; with kSpill one byte more, which the next pixel overwrites.
template <bool kSpill>
void store_pixels(__m256i pixels, std::uint8_t* const* out, std::size_t at, std::size_t count) {
  const __m128i even = _mm256_castsi256_si128(pixels), odd = _mm256_extracti128_si256(pixels, 1);
  const std::int32_t rows[kRows] = {_mm_cvtsi128_si32(even), _mm_cvtsi128_si32(odd),
                                    _mm_extract_epi32(even, 1), _mm_extract_epi32(odd, 1)};
  for (std::size_t row = 0; row < kRows; ++row) {
    if (row < count) std::memcpy(out[row] + at, &rows[row], kSpill ? 4 : 3);
  }
}

/// Up to four rows. Whole pixels first, then those at the right edge, whose groups reach past the row.
template <std::size_t kCount>
void blend_four(const BlendPixels& blend, const std::uint8_t* const* rows, std::uint8_t* const* out,
                std::size_t count) {
  // A group is loaded with four bytes more than it uses.
  const std::size_t reach = 3 * blend.groups * kResampleGroup + kGroupBytes - kGroupPixels;
  std::size_t x = 0;
  for (; x + 1 < blend.width; ++x) {
    if (3 * static_cast<std::size_t>(blend.first[x]) + reach > 3 * blend.source_width) break;
    store_pixels<true>(blend_pixel<true>(blend, rows, x), out, 3 * x, kCount == 0 ? count : kCount);
  }
  for (; x < blend.width; ++x) {
    store_pixels<false>(blend_pixel<false>(blend, rows, x), out, 3 * x, count);
  }
}

void blend_pixels(const BlendPixels& blend) {
  for (std::size_t top = 0; top < blend.rows; top += kRows) {
    const std::size_t count = std::min(kRows, blend.rows - top);
    const std::uint8_t* rows[kRows];
    std::uint8_t* out[kRows];
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::size_t here = top + std::min(row, count - 1);
      rows[row] = blend.source + here * blend.source_stride;
      out[row] = blend.out + here * blend.out_stride;
    }
    const BlendPixels local = blend;  // or every store might change it
    if (count == kRows) {
      blend_four<kRows>(local, rows, out, count);
    } else {
      blend_four<0>(local, rows, out, count);
    }
  }
}

}  // namespace

ResampleKernels resample_kernels() {
  return {.blend_rows = blend_rows, .blend_pixels = blend_pixels};
}

}  // namespace avx2
}  // namespace fovea::kernels
