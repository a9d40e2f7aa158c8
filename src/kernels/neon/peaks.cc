#include "kernels/generic/peaks.h"

#include <arm_neon.h>

namespace fovea::kernels::neon {
namespace {

struct F32 {
  using Sum = float32x4_t;
  using Operand = float32x4_t;
  static constexpr std::size_t kSums = 16, kShared = 1, kOperations = 8;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return vfmaq_f32(sum, a, b); }
};

/// Pairs of bfloat16 widened to two floats; one register of weights serves four rows, as in a tile of a
/// product.
struct Bf16 {
  using Sum = float32x4_t;
  using Operand = float32x4_t;
  static constexpr std::size_t kSums = 16, kShared = 4, kOperations = 16;
  struct Wide {
    float32x4_t even, odd;
  };
  static Wide widen(Operand a) {
    const uint32x4_t bits = vreinterpretq_u32_f32(a);
    return {vreinterpretq_f32_u32(vshlq_n_u32(bits, 16)),
            vreinterpretq_f32_u32(vandq_u32(bits, vdupq_n_u32(0xFFFF0000U)))};
  }
  static Sum add(Sum sum, Wide a, Operand b) { return vfmaq_f32(vfmaq_f32(sum, a.even, b), a.odd, b); }
};

struct Int8 {
  using Sum = int32x4_t;
  using Operand = int8x16_t;
  static constexpr std::size_t kSums = 16, kShared = 1, kOperations = 32;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return vdotq_s32(sum, a, b); }
};

}  // namespace

PeakLoops peak_loops() {
  return {.f32 = generic::peak_loop<F32>(),
          .bf16 = generic::peak_loop<Bf16>(),
          .int8 = generic::peak_loop<Int8>(),
          .read = generic::read_memory<Int8>};
}

}  // namespace fovea::kernels::neon
