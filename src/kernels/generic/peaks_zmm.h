#pragma once

#include <immintrin.h>

#include "kernels/generic/peaks.h"

// What the sets with registers of 64 bytes share. `Set` keeps the instantiations of different sets apart.
namespace fovea::kernels::generic {

template <class Set>
struct F32Zmm {
  using Sum = __m512;
  using Operand = __m512;
  static constexpr std::size_t kSums = 16, kShared = 1, kOperations = 32;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return _mm512_fmadd_ps(a, b, sum); }
};

template <class Set>
struct Int8Zmm {
  using Sum = __m512i;
  using Operand = __m512i;
  static constexpr std::size_t kSums = 16, kShared = 1, kOperations = 128;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return _mm512_dpbusd_epi32(sum, a, b); }
};

template <class Bf16>
PeakLoops peak_loops_zmm() {
  return {.f32 = peak_loop<F32Zmm<Bf16>>(),
          .bf16 = peak_loop<Bf16>(),
          .int8 = peak_loop<Int8Zmm<Bf16>>(),
          .read = read_memory<Bf16>};
}

}  // namespace fovea::kernels::generic
