#include "kernels/generic/peaks.h"

#include <immintrin.h>

#include "kernels/generic/peaks_ymm.h"

namespace fovea::kernels::avx2 {
namespace {

struct Int8 {
  using Sum = __m256i;
  using Operand = __m256i;
  static constexpr std::size_t kSums = 10, kShared = 1, kOperations = 64;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) {
    const __m256i pairs = _mm256_maddubs_epi16(a, b);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

}  // namespace

PeakLoops peak_loops() {
  return generic::peak_loops_ymm<Int8>();
}

}  // namespace fovea::kernels::avx2
