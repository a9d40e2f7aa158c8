#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

// What the sets with registers of 32 bytes share. `Set` keeps the instantiations of different sets apart:
// each is compiled with its own flags.
namespace fovea::kernels::generic {

/// Eight floats in a ymm register; portable/vector.h says what each function means.
template <class Set>
struct VectorYmm {
  static constexpr std::size_t kLanes = 8;
  __m256 r;

  static VectorYmm zero() { return {_mm256_setzero_ps()}; }
  static VectorYmm set1(float value) { return {_mm256_set1_ps(value)}; }
  static VectorYmm load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static VectorYmm load_partial(const float* p, std::size_t n) { return {_mm256_maskload_ps(p, mask(n))}; }
  static VectorYmm load_bf16(const tensor::BFloat16* p) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static VectorYmm load_bf16_partial(const tensor::BFloat16* p, std::size_t n) {
    alignas(16) tensor::BFloat16 copy[kLanes] = {};
    std::memcpy(copy, p, n * sizeof *p);
    return load_bf16(copy);
  }
  static VectorYmm load_even(const std::uint8_t* p) { return even_of(load_bits(p)); }
  static VectorYmm load_odd(const std::uint8_t* p) { return odd_of(load_bits(p)); }
  static VectorYmm broadcast_even(const std::uint8_t* p) { return even_of(broadcast_bits(p)); }
  static VectorYmm broadcast_odd(const std::uint8_t* p) { return odd_of(broadcast_bits(p)); }
  void store(float* p) const { _mm256_storeu_ps(p, r); }
  void store_partial(float* p, std::size_t n) const { _mm256_maskstore_ps(p, mask(n), r); }
  void store_bf16(tensor::BFloat16* p) const { store_high_halves(rounded_bf16(r), p); }
  void store_bf16_normal(tensor::BFloat16* p) const {
    const __m256i bits = _mm256_castps_si256(r);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    store_high_halves(_mm256_add_epi32(bits, _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), odd)), p);
  }
  static void store_bf16_pairs(VectorYmm even, VectorYmm odd, tensor::BFloat16* p) {
    const __m256i low = _mm256_srli_epi32(rounded_bf16(even.r), 16);
    const __m256i both = _mm256_blend_epi16(low, rounded_bf16(odd.r), 0xAA);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), both);
  }

  static void widen_int8(const std::int8_t* from, tensor::BFloat16* to) {
    const __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    const __m256i even =
        _mm256_madd_epi16(words, _mm256_set1_epi32(1));  // times 1 and 0: the first of a pair
    const __m256i odd = _mm256_srai_epi32(words, 16);
    // Whole numbers up to 128 leave the lower half of a float empty.
    const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(even)), 16);
    const __m256i high = _mm256_castps_si256(_mm256_cvtepi32_ps(odd));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_or_si256(low, high));
  }

  static VectorYmm add(VectorYmm a, VectorYmm b) { return {_mm256_add_ps(a.r, b.r)}; }
  static VectorYmm sub(VectorYmm a, VectorYmm b) { return {_mm256_sub_ps(a.r, b.r)}; }
  static VectorYmm mul(VectorYmm a, VectorYmm b) { return {_mm256_mul_ps(a.r, b.r)}; }
  static VectorYmm div(VectorYmm a, VectorYmm b) { return {_mm256_div_ps(a.r, b.r)}; }
  static VectorYmm max(VectorYmm a, VectorYmm b) { return {_mm256_max_ps(a.r, b.r)}; }
  static VectorYmm min(VectorYmm a, VectorYmm b) { return {_mm256_min_ps(a.r, b.r)}; }
  static VectorYmm fma(VectorYmm a, VectorYmm b, VectorYmm c) { return {_mm256_fmadd_ps(a.r, b.r, c.r)}; }
  static VectorYmm round(VectorYmm a) {
    return {_mm256_round_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static VectorYmm scale_by_power_of_two(VectorYmm p, VectorYmm n) {
    // 2^n in two factors, so that exponents at either end of the range stay normal numbers.
    const __m256i whole = _mm256_cvtps_epi32(n.r);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return {_mm256_mul_ps(_mm256_mul_ps(p.r, power(half)), power(_mm256_sub_epi32(whole, half)))};
  }
  /// The same for -126 <= n <= 0, where one factor does.
  static VectorYmm scale_by_small_power_of_two(VectorYmm p, VectorYmm n) {
    return {_mm256_mul_ps(p.r, power(_mm256_cvtps_epi32(n.r)))};
  }
  static VectorYmm first(VectorYmm a, std::size_t n) {
    return {_mm256_and_ps(a.r, _mm256_castsi256_ps(mask(n)))};
  }

  static VectorYmm abs(VectorYmm a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.r)}; }
  template <std::size_t kDistance>
  [[nodiscard]] VectorYmm butterfly() const {
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
  static void reduce4(VectorYmm a, VectorYmm b, VectorYmm c, VectorYmm d, float* out) {
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
  static void store_high_halves(__m256i words, tensor::BFloat16* p) {
    const __m256i high = _mm256_srli_epi32(words, 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
  }
  static __m256i load_bits(const std::uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256i broadcast_bits(const std::uint8_t* p) {
    int pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static VectorYmm even_of(__m256i pairs) { return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16))}; }
  static VectorYmm odd_of(__m256i pairs) {
    return {_mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))))};
  }
  static __m256i mask(std::size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static VectorYmm widen(__m128i bits) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
  }
  static __m256 power(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
};

/// What int8 products have in common; a set adds how four bytes of A meet the columns (packed.h).
template <class Set>
struct Int8Ymm {
  using Sum = __m256i;
  using Columns = __m256i;
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kBytes = 32;

  static Sum zero() { return _mm256_setzero_si256(); }
  static Columns load(const std::uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256i broadcast_four(const std::uint8_t* p) {
    int four;
    std::memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Sum add(Sum a, Sum b) { return _mm256_add_epi32(a, b); }
  static constexpr int kNibbleOffset = 8;
  static Sum set1(int value) { return _mm256_set1_epi32(value); }
  static Columns low(Columns packed) { return _mm256_and_si256(packed, _mm256_set1_epi8(15)); }
  static Columns high(Columns packed) { return low(_mm256_srli_epi16(packed, 4)); }
  static Sum multiply_add(Sum sum, Sum a, const std::uint8_t* b) {
    const __m256i factor = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
    return _mm256_add_epi32(sum, _mm256_mullo_epi32(a, factor));
  }
  static VectorYmm<Set> to_float(Sum sum) { return {_mm256_cvtepi32_ps(sum)}; }
};

}  // namespace fovea::kernels::generic
