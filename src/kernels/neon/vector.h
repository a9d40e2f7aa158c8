#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/packed.h"
#include "tensor/dtype.h"

namespace fovea::kernels::neon {

/// Four floats in a q register; portable/vector.h says what each function means.
struct Vector {
  static constexpr std::size_t kLanes = 4;
  float32x4_t r;

  static Vector zero() { return set1(0.0F); }
  static Vector set1(float value) { return {vdupq_n_f32(value)}; }
  static Vector load(const float* p) { return {vld1q_f32(p)}; }
  static Vector load_partial(const float* p, std::size_t n) {
    if (n >= kLanes) return load(p);
    float copy[kLanes] = {};
    for (std::size_t i = 0; i < n; ++i) copy[i] = p[i];
    return load(copy);
  }
  static Vector load_bf16(const tensor::BFloat16* p) { return widen(vld1_u16(&p->bits)); }
  static Vector load_bf16_partial(const tensor::BFloat16* p, std::size_t n) {
    std::uint16_t copy[kLanes] = {};
    for (std::size_t i = 0; i < n; ++i) copy[i] = p[i].bits;
    return widen(vld1_u16(copy));
  }
  static Vector load_even(const std::uint8_t* p) { return even_of(load_pairs(p)); }
  static Vector load_odd(const std::uint8_t* p) { return odd_of(load_pairs(p)); }
  static Vector broadcast_even(const std::uint8_t* p) { return even_of(broadcast_pair(p)); }
  static Vector broadcast_odd(const std::uint8_t* p) { return odd_of(broadcast_pair(p)); }
  void store(float* p) const { vst1q_f32(p, r); }
  void store_partial(float* p, std::size_t n) const {
    if (n >= kLanes) return store(p);
    float copy[kLanes];
    store(copy);
    for (std::size_t i = 0; i < n; ++i) p[i] = copy[i];
  }
  void store_bf16(tensor::BFloat16* p) const { vst1_u16(&p->bits, vshrn_n_u32(rounded_bf16(r), 16)); }
  void store_bf16_normal(tensor::BFloat16* p) const { store_bf16(p); }
  static void store_bf16_pairs(Vector even, Vector odd, tensor::BFloat16* p) {
    const uint32x4_t low = vshrq_n_u32(rounded_bf16(even.r), 16);
    const uint32x4_t high = vandq_u32(rounded_bf16(odd.r), vdupq_n_u32(0xFFFF0000U));
    vst1q_u16(&p->bits, vreinterpretq_u16_u32(vorrq_u32(low, high)));
  }

  static void widen_int8(const std::int8_t* from, tensor::BFloat16* to) {
    const int16x8_t words = vmovl_s8(vld1_s8(from));
    const float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
    const float32x4_t high = vcvtq_f32_s32(vmovl_s16(vget_high_s16(words)));
    // Whole numbers up to 128 leave the lower half of a float empty.
    vst1q_u16(&to->bits, vuzp2q_u16(vreinterpretq_u16_f32(low), vreinterpretq_u16_f32(high)));
  }

  static Vector add(Vector a, Vector b) { return {vaddq_f32(a.r, b.r)}; }
  static Vector sub(Vector a, Vector b) { return {vsubq_f32(a.r, b.r)}; }
  static Vector mul(Vector a, Vector b) { return {vmulq_f32(a.r, b.r)}; }
  static Vector div(Vector a, Vector b) { return {vdivq_f32(a.r, b.r)}; }
  // Not vmaxq_f32, which makes NaN of any NaN: as elsewhere, b where a is not larger.
  static Vector max(Vector a, Vector b) { return {vbslq_f32(vcgtq_f32(a.r, b.r), a.r, b.r)}; }
  static Vector min(Vector a, Vector b) { return {vbslq_f32(vcltq_f32(a.r, b.r), a.r, b.r)}; }
  static Vector fma(Vector a, Vector b, Vector c) { return {vfmaq_f32(c.r, a.r, b.r)}; }
  static Vector round(Vector a) { return {vrndnq_f32(a.r)}; }
  static Vector scale_by_power_of_two(Vector p, Vector n) {
    // 2^n in two factors, so that exponents at either end of the range stay normal numbers.
    const int32x4_t whole = vcvtnq_s32_f32(n.r);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    return {vmulq_f32(vmulq_f32(p.r, power(half)), power(vsubq_s32(whole, half)))};
  }
  static Vector first(Vector a, std::size_t n) {
    constexpr std::uint32_t kLane[kLanes] = {0, 1, 2, 3};
    const uint32x4_t kept = vcltq_u32(vld1q_u32(kLane), vdupq_n_u32(static_cast<std::uint32_t>(n)));
    return bits(vandq_u32(vreinterpretq_u32_f32(a.r), kept));
  }

  static Vector abs(Vector a) { return {vabsq_f32(a.r)}; }
  template <std::size_t kDistance>
  [[nodiscard]] Vector butterfly() const {
    constexpr std::uint32_t kSecond[4] = {0, kDistance == 1 ? ~0U : 0U, kDistance == 2 ? ~0U : 0U, ~0U};
    const float32x4_t other = kDistance == 1 ? vrev64q_f32(r) : vextq_f32(r, r, 2);
    return {vbslq_f32(vld1q_u32(kSecond), vsubq_f32(other, r), vaddq_f32(other, r))};
  }
  template <int kOffset>
  void store_int8(std::uint8_t* p) const {
    const int32x4_t rounded = vaddq_s32(vcvtnq_s32_f32(r), vdupq_n_s32(kOffset));
    const uint16x4_t words = vreinterpret_u16_s16(vqmovn_s32(rounded));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    const std::uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    std::memcpy(p, &four, sizeof four);
  }

  [[nodiscard]] float reduce_add() const { return vaddvq_f32(r); }
  [[nodiscard]] float reduce_max() const { return vmaxvq_f32(r); }
  static void reduce4(Vector a, Vector b, Vector c, Vector d, float* out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a.r, b.r), vpaddq_f32(c.r, d.r)));
  }

 private:
  /// Bfloat16 in the upper half of every lane, rounded to nearest even; what is below it is left over.
  static uint32x4_t rounded_bf16(float32x4_t x) {
    const uint32x4_t value = vreinterpretq_u32_f32(x);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(value, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(value, vaddq_u32(vdupq_n_u32(0x7FFF), odd));
    return vbslq_u32(vceqq_f32(x, x), rounded, vorrq_u32(value, vdupq_n_u32(0x400000)));
  }
  static Vector bits(uint32x4_t value) { return {vreinterpretq_f32_u32(value)}; }
  static Vector widen(uint16x4_t halves) { return bits(vshll_n_u16(halves, 16)); }
  static uint32x4_t load_pairs(const std::uint8_t* p) { return vreinterpretq_u32_u8(vld1q_u8(p)); }
  static uint32x4_t broadcast_pair(const std::uint8_t* p) {
    std::uint32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return vdupq_n_u32(pair);
  }
  static Vector even_of(uint32x4_t pairs) { return bits(vshlq_n_u32(pairs, 16)); }
  static Vector odd_of(uint32x4_t pairs) { return bits(vandq_u32(pairs, vdupq_n_u32(0xFFFF0000U))); }
  static float32x4_t power(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
  }
};

/// Signed bytes of A and B: 16 products an instruction.
struct Int8Dot {
  using Sum = int32x4_t;
  using Columns = int8x16_t;
  static constexpr std::size_t kLanes = 4;
  static constexpr std::size_t kBytes = 16;
  static constexpr int kOffset = 0;
  static constexpr int kNibbleOffset = 0;

  static Sum zero() { return vdupq_n_s32(0); }
  static Columns load(const std::uint8_t* p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
  static int8x16_t broadcast(const std::uint8_t* p) {
    std::uint32_t four;
    std::memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_u32(vdupq_n_u32(four));
  }
  static Sum accumulate(Sum sum, int8x16_t row, Columns columns) { return vdotq_s32(sum, columns, row); }
  static Sum add(Sum a, Sum b) { return vaddq_s32(a, b); }
  static Columns low(Columns packed) { return vsubq_s8(vandq_s8(packed, vdupq_n_s8(15)), vdupq_n_s8(8)); }
  static Columns high(Columns packed) {
    const uint8x16_t nibbles = vshrq_n_u8(vreinterpretq_u8_s8(packed), 4);
    return vsubq_s8(vreinterpretq_s8_u8(nibbles), vdupq_n_s8(8));
  }
  static Sum multiply_add(Sum sum, Sum a, const std::uint8_t* b) {
    std::uint32_t four;
    std::memcpy(&four, b, sizeof four);
    const uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vmlaq_s32(sum, a, vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words))));
  }
  static Vector to_float(Sum sum) { return {vcvtq_f32_s32(sum)}; }
};

/// What the generic kernels are built from; 24 of 32 registers hold sums.
struct Isa {
  using Vector = neon::Vector;
  using Dot = Int8Dot;
  using TileDot = Dot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 6;
  static constexpr std::size_t kBlocks = 1;
  static constexpr std::size_t kFewRowBlocks = 1;
};

/// Widened bfloat16 takes more registers beside its sums.
struct AttentionIsa : Isa {
  static constexpr std::size_t kRows = 4;
};

}  // namespace fovea::kernels::neon
