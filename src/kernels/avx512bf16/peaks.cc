#include "kernels/generic/peaks.h"

#include <immintrin.h>

#include "kernels/generic/peaks_zmm.h"

namespace fovea::kernels::avx512bf16 {
namespace {

struct Bf16 {
  using Sum = __m512;
  using Operand = __m512;
  static constexpr std::size_t kSums = 16, kShared = 1, kOperations = 64;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};

}  // namespace

PeakLoops peak_loops() {
  return generic::peak_loops_zmm<Bf16>();
}

}  // namespace fovea::kernels::avx512bf16
