#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

// What the sets with registers of 64 bytes share. `Set` keeps the instantiations of different sets apart,
// since each is compiled with its own flags; its kBf16 says whether it has AVX-512 BF16.
namespace fovea::kernels::generic {

/// Sixteen floats in a zmm register; portable/vector.h says what each function means.
template <class Set>
struct VectorZmm {
  static constexpr std::size_t kLanes = 16;
  __m512 r;

  static VectorZmm zero() { return {_mm512_setzero_ps()}; }
  static VectorZmm set1(float value) { return {_mm512_set1_ps(value)}; }
  static VectorZmm load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static VectorZmm load_partial(const float* p, std::size_t n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static VectorZmm load_bf16(const tensor::BFloat16* p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static VectorZmm load_bf16_partial(const tensor::BFloat16* p, std::size_t n) {
    return widen(_mm256_maskz_loadu_epi16(mask(n), p));
  }
  static VectorZmm load_even(const std::uint8_t* p) { return even_of(_mm512_loadu_si512(p)); }
  static VectorZmm load_odd(const std::uint8_t* p) { return odd_of(_mm512_loadu_si512(p)); }
  static VectorZmm broadcast_even(const std::uint8_t* p) { return even_of(broadcast_bits(p)); }
  static VectorZmm broadcast_odd(const std::uint8_t* p) { return odd_of(broadcast_bits(p)); }
  void store(float* p) const { _mm512_storeu_ps(p, r); }
  void store_partial(float* p, std::size_t n) const { _mm512_mask_storeu_ps(p, mask(n), r); }
  void store_bf16(tensor::BFloat16* p) const {
    const __m512i high = _mm512_srli_epi32(rounded_bf16(r), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(high));
  }
  void store_bf16_normal(tensor::BFloat16* p) const {
    if constexpr (Set::kBf16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(r)));
    } else {
      store_bf16(p);
    }
  }
  static void store_bf16_pairs(VectorZmm even, VectorZmm odd, tensor::BFloat16* p) {
    const __m512i low = _mm512_srli_epi32(rounded_bf16(even.r), 16);
    _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xAAAAAAAA, low, rounded_bf16(odd.r)));
  }

  static void widen_int8(const std::int8_t* from, tensor::BFloat16* to) {
    // Whole numbers up to 128 leave the lower half of a float empty.
    for (std::size_t i = 0; i < 2; ++i, from += kLanes, to += kLanes) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      const __m512 floats = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
      const __m512i upper = _mm512_srli_epi32(_mm512_castps_si512(floats), 16);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(upper));
    }
  }

  static VectorZmm add(VectorZmm a, VectorZmm b) { return {_mm512_add_ps(a.r, b.r)}; }
  static VectorZmm sub(VectorZmm a, VectorZmm b) { return {_mm512_sub_ps(a.r, b.r)}; }
  static VectorZmm mul(VectorZmm a, VectorZmm b) { return {_mm512_mul_ps(a.r, b.r)}; }
  static VectorZmm div(VectorZmm a, VectorZmm b) { return {_mm512_div_ps(a.r, b.r)}; }
  static VectorZmm max(VectorZmm a, VectorZmm b) { return {_mm512_max_ps(a.r, b.r)}; }
  static VectorZmm min(VectorZmm a, VectorZmm b) { return {_mm512_min_ps(a.r, b.r)}; }
  static VectorZmm fma(VectorZmm a, VectorZmm b, VectorZmm c) { return {_mm512_fmadd_ps(a.r, b.r, c.r)}; }
  static VectorZmm round(VectorZmm a) {
    return {_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static VectorZmm scale_by_power_of_two(VectorZmm p, VectorZmm n) { return {_mm512_scalef_ps(p.r, n.r)}; }
  static VectorZmm first(VectorZmm a, std::size_t n) { return {_mm512_maskz_mov_ps(mask(n), a.r)}; }

  static VectorZmm abs(VectorZmm a) { return {_mm512_abs_ps(a.r)}; }
  template <std::size_t kDistance>
  [[nodiscard]] VectorZmm butterfly() const {
    __m512 other;
    if constexpr (kDistance == 1) other = _mm512_permute_ps(r, 0xB1);
    if constexpr (kDistance == 2) other = _mm512_permute_ps(r, 0x4E);
    if constexpr (kDistance == 4) other = _mm512_shuffle_f32x4(r, r, 0xB1);
    if constexpr (kDistance == 8) other = _mm512_shuffle_f32x4(r, r, 0x4E);
    constexpr __mmask16 kSecond = kDistance == 1   ? 0xAAAA
                                  : kDistance == 2 ? 0xCCCC
                                  : kDistance == 4 ? 0xF0F0
                                                   : 0xFF00;
    return {_mm512_mask_sub_ps(_mm512_add_ps(other, r), kSecond, other, r)};
  }
  template <int kOffset>
  void store_int8(std::uint8_t* p) const {
    const __m512i rounded = _mm512_add_epi32(_mm512_cvtps_epi32(r), _mm512_set1_epi32(kOffset));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(rounded));
  }

  [[nodiscard]] float reduce_add() const {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(r), _mm512_extractf32x8_ps(r, 1));
    const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    const __m128 eighth = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(eighth, _mm_movehdup_ps(eighth)));
  }
  [[nodiscard]] float reduce_max() const { return _mm512_reduce_max_ps(r); }
  static void reduce4(VectorZmm a, VectorZmm b, VectorZmm c, VectorZmm d, float* out) {
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a.r, b.r), _mm512_unpackhi_ps(a.r, b.r));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c.r, d.r), _mm512_unpackhi_ps(c.r, d.r));
    const __m512 abcd = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
  }

 private:
  // Integer rounding instead of vcvtneps2bf16, which flushes subnormal numbers to zero. Bfloat16 in the upper
  // half of every lane; what is below it is left over.
  static __m512i rounded_bf16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(_mm512_set1_epi32(0x7FFF), odd));
    return _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits,
                                _mm512_set1_epi32(0x400000));
  }
  static __m512i broadcast_bits(const std::uint8_t* p) {
    int pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static VectorZmm widen(__m256i bits) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  static VectorZmm even_of(__m512i pairs) { return {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16))}; }
  static VectorZmm odd_of(__m512i pairs) {
    return {_mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))))};
  }
  static __mmask16 mask(std::size_t n) { return static_cast<__mmask16>((1U << n) - 1U); }
};

/// Unsigned bytes of A times signed bytes of B: 64 products an instruction.
template <class Set>
struct Int8DotZmm {
  using Sum = __m512i;
  using Columns = __m512i;
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kBytes = 64;
  static constexpr int kOffset = 128;

  static Sum zero() { return _mm512_setzero_si512(); }
  static Columns load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static __m512i broadcast(const std::uint8_t* p) {
    int four;
    std::memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Sum accumulate(Sum sum, __m512i row, Columns columns) {
    return _mm512_dpbusd_epi32(sum, row, columns);
  }
  static Sum correction(const std::int32_t* sums) {
    return _mm512_sub_epi32(zero(), _mm512_slli_epi32(_mm512_loadu_si512(sums), 7));
  }
  static Sum add(Sum a, Sum b) { return _mm512_add_epi32(a, b); }
  static constexpr int kNibbleOffset = 8;
  static Sum set1(int value) { return _mm512_set1_epi32(value); }
  static Columns low(Columns packed) { return _mm512_and_si512(packed, _mm512_set1_epi8(15)); }
  static Columns high(Columns packed) { return low(_mm512_srli_epi16(packed, 4)); }
  static Sum multiply_add(Sum sum, Sum a, const std::uint8_t* b) {
    const __m512i factor = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(a, factor));
  }
  static VectorZmm<Set> to_float(Sum sum) { return {_mm512_cvtepi32_ps(sum)}; }
};

}  // namespace fovea::kernels::generic
