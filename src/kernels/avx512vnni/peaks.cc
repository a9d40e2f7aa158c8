#include "kernels/generic/peaks.h"

#include <immintrin.h>

#include "kernels/generic/peaks_zmm.h"

namespace fovea::kernels::avx512vnni {
namespace {

/// Pairs of bfloat16 widened to two floats; one register of weights serves four rows, as in a tile of a
/// product.
struct Bf16 {
  using Sum = __m512;
  using Operand = __m512;
  static constexpr std::size_t kSums = 16, kShared = 4, kOperations = 64;
  struct Wide {
    __m512 even, odd;
  };
  static Wide widen(Operand a) {
    const __m512i bits = _mm512_castps_si512(a);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(~0xFFFF)))};
  }
  static Sum add(Sum sum, Wide a, Operand b) {
    return _mm512_fmadd_ps(a.odd, b, _mm512_fmadd_ps(a.even, b, sum));
  }
};

}  // namespace

PeakLoops peak_loops() {
  return generic::peak_loops_zmm<Bf16>();
}

}  // namespace fovea::kernels::avx512vnni
