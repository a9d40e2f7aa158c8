#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/packed.h"
#include "tensor/dtype.h"

namespace fovea::kernels::avx2 {

/// Eight floats in a ymm register; portable/vector.h says what each function means.
struct Vector {
  static constexpr std::size_t kLanes = 8;
  __m256 r;

  static Vector zero() { return {_mm256_setzero_ps()}; }
  static Vector set1(float value) { return {_mm256_set1_ps(value)}; }
  static Vector load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vector load_partial(const float* p, std::size_t n) { return {_mm256_maskload_ps(p, mask(n))}; }
  static Vector load_bf16(const tensor::BFloat16* p) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Vector load_bf16_partial(const tensor::BFloat16* p, std::size_t n) {
    alignas(16) tensor::BFloat16 copy[kLanes] = {};
    std::memcpy(copy, p, n * sizeof *p);
    return load_bf16(copy);
  }
  static Vector load_even(const std::uint8_t* p) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(load_bits(p), 16))};
  }
  static Vector load_odd(const std::uint8_t* p) {
    return {_mm256_castsi256_ps(
        _mm256_and_si256(load_bits(p), _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))))};
  }
  void store(float* p) const { _mm256_storeu_ps(p, r); }
  void store_partial(float* p, std::size_t n) const { _mm256_maskstore_ps(p, mask(n), r); }
  void store_bf16(tensor::BFloat16* p) const {
    const __m256i high = _mm256_srli_epi32(rounded_bf16(r), 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
  }
  void store_bf16_normal(tensor::BFloat16* p) const { store_bf16(p); }
  static void store_bf16_pairs(Vector even, Vector odd, tensor::BFloat16* p) {
    const __m256i low = _mm256_srli_epi32(rounded_bf16(even.r), 16);
    const __m256i both = _mm256_blend_epi16(low, rounded_bf16(odd.r), 0xAA);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), both);
  }

  static Vector add(Vector a, Vector b) { return {_mm256_add_ps(a.r, b.r)}; }
  static Vector sub(Vector a, Vector b) { return {_mm256_sub_ps(a.r, b.r)}; }
  static Vector mul(Vector a, Vector b) { return {_mm256_mul_ps(a.r, b.r)}; }
  static Vector div(Vector a, Vector b) { return {_mm256_div_ps(a.r, b.r)}; }
  static Vector max(Vector a, Vector b) { return {_mm256_max_ps(a.r, b.r)}; }
  static Vector min(Vector a, Vector b) { return {_mm256_min_ps(a.r, b.r)}; }
  static Vector fma(Vector a, Vector b, Vector c) { return {_mm256_fmadd_ps(a.r, b.r, c.r)}; }
  static Vector round(Vector a) {
    return {_mm256_round_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static Vector scale_by_power_of_two(Vector p, Vector n) {
    // 2^n in two factors, so that exponents at either end of the range stay normal numbers.
    const __m256i whole = _mm256_cvtps_epi32(n.r);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return {_mm256_mul_ps(_mm256_mul_ps(p.r, power(half)), power(_mm256_sub_epi32(whole, half)))};
  }
  static Vector first(Vector a, std::size_t n) { return {_mm256_and_ps(a.r, _mm256_castsi256_ps(mask(n)))}; }

  static Vector abs(Vector a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.r)}; }
  template <std::size_t kDistance>
  [[nodiscard]] Vector butterfly() const {
    __m256 other;
    if constexpr (kDistance == 1) other = _mm256_permute_ps(r, 0xB1);
    if constexpr (kDistance == 2) other = _mm256_permute_ps(r, 0x4E);
    if constexpr (kDistance == 4) other = _mm256_permute2f128_ps(r, r, 1);
    constexpr int kSecond = kDistance == 1 ? 0xAA : kDistance == 2 ? 0xCC : 0xF0;
    return {_mm256_blend_ps(_mm256_add_ps(other, r), _mm256_sub_ps(other, r), kSecond)};
  }
  template <int kOffset>
  void store_int8(std::uint8_t* p) const {
    const __m256i rounded = _mm256_add_epi32(_mm256_cvtps_epi32(r), _mm256_set1_epi32(kOffset));
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
    const __m128i bytes = kOffset == 0 ? _mm_packs_epi16(words, words) : _mm_packus_epi16(words, words);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
  }

  [[nodiscard]] float reduce_add() const {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(r), _mm256_extractf128_ps(r, 1));
    const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  [[nodiscard]] float reduce_max() const {
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(r), _mm256_extractf128_ps(r, 1));
    const __m128 quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  static void reduce4(Vector a, Vector b, Vector c, Vector d, float* out) {
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a.r, b.r), _mm256_unpackhi_ps(a.r, b.r));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c.r, d.r), _mm256_unpackhi_ps(c.r, d.r));
    const __m256 abcd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
  }

 private:
  /// Bfloat16 in the upper half of every lane, rounded to nearest even; what is below it is left over.
  static __m256i rounded_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), odd));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 is_nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    return _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), is_nan));
  }
  static __m256i load_bits(const std::uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256i mask(std::size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vector widen(__m128i bits) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
  }
  static __m256 power(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
};

/// Signed bytes of A and B by sign transfer: |a| times (b with a's sign) cannot overflow the 16-bit pair sums
/// of vpmaddubsw, since both magnitudes are at most 127.
struct Int8Dot {
  using Sum = __m256i;
  using Columns = __m256i;
  struct Row {
    __m256i value, magnitude;
  };
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kBytes = 32;
  static constexpr int kOffset = 0;

  static Sum zero() { return _mm256_setzero_si256(); }
  static Columns load(const std::uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Row broadcast(const std::uint8_t* p) {
    int four;
    std::memcpy(&four, p, sizeof four);
    const __m256i value = _mm256_set1_epi32(four);
    return {value, _mm256_abs_epi8(value)};
  }
  static Sum accumulate(Sum sum, Row row, Columns columns) {
    const __m256i pairs = _mm256_maddubs_epi16(row.magnitude, _mm256_sign_epi8(columns, row.value));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static Sum add(Sum a, Sum b) { return _mm256_add_epi32(a, b); }
  static Columns low(Columns packed) {
    return _mm256_sub_epi8(_mm256_and_si256(packed, _mm256_set1_epi8(15)), _mm256_set1_epi8(8));
  }
  static Columns high(Columns packed) { return low(_mm256_srli_epi16(packed, 4)); }
  static Sum multiply_add(Sum sum, Sum a, const std::uint8_t* b) {
    const __m256i factor = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
    return _mm256_add_epi32(sum, _mm256_mullo_epi32(a, factor));
  }
  static Vector to_float(Sum sum) { return {_mm256_cvtepi32_ps(sum)}; }
};

/// What the generic kernels are built from; 8 of 16 registers hold sums.
struct Isa {
  using Vector = avx2::Vector;
  using Dot = Int8Dot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 4;
  static constexpr std::size_t kBlocks = 1;
  static constexpr std::size_t kFewRowBlocks = 1;
};

}  // namespace fovea::kernels::avx2
