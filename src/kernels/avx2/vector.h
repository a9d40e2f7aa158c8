#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

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
  void store(float* p) const { _mm256_storeu_ps(p, r); }
  void store_partial(float* p, std::size_t n) const { _mm256_maskstore_ps(p, mask(n), r); }
  void store_bf16(tensor::BFloat16* p) const {
    const __m256i bits = _mm256_castps_si256(r);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), odd));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 is_nan = _mm256_cmp_ps(r, r, _CMP_UNORD_Q);
    const __m256i chosen = _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), is_nan));
    const __m256i high = _mm256_srli_epi32(chosen, 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
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

}  // namespace fovea::kernels::avx2
