#pragma once

#include <immintrin.h>

#include "kernels/generic/peaks.h"

// Float and bfloat16 loops of the sets whose registers are 32 bytes and that know no bfloat16. `Set` keeps
// the instantiations of different sets apart.
namespace fovea::kernels::generic {

template <class Set>
struct F32Ymm {
  using Sum = __m256;
  using Operand = __m256;
  static constexpr std::size_t kSums = 12, kShared = 1, kOperations = 16;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return _mm256_fmadd_ps(a, b, sum); }
};

/// Pairs of bfloat16 widened to two floats; one register of columns serves six rows, as in the products of
/// attention.
template <class Set>
struct Bf16Ymm {
  using Sum = __m256;
  using Operand = __m256;
  static constexpr std::size_t kSums = 12, kShared = 6, kOperations = 32;
  struct Wide {
    __m256 even, odd;
  };
  static Wide widen(Operand a) {
    const __m256i bits = _mm256_castps_si256(a);
    return {_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(~0xFFFF)))};
  }
  static Sum add(Sum sum, Wide a, Operand b) {
    return _mm256_fmadd_ps(a.odd, b, _mm256_fmadd_ps(a.even, b, sum));
  }
};

template <class Int8>
PeakLoops peak_loops_ymm() {
  return {.f32 = peak_loop<F32Ymm<Int8>>(),
          .bf16 = peak_loop<Bf16Ymm<Int8>>(),
          .int8 = peak_loop<Int8>(),
          .read = read_memory<Int8>};
}

}  // namespace fovea::kernels::generic
