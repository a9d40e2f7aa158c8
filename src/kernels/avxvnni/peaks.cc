#include "kernels/generic/peaks.h"

#include <immintrin.h>

#include "kernels/avxvnni/vector.h"
#include "kernels/generic/peaks_ymm.h"

namespace fovea::kernels::avxvnni {
namespace {

struct Int8 {
  using Sum = __m256i;
  using Operand = __m256i;
  static constexpr std::size_t kSums = 12, kShared = 1, kOperations = 64;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return Int8Dot::accumulate(sum, a, b); }
};

}  // namespace

PeakLoops peak_loops() {
  return generic::peak_loops_ymm<Int8>();
}

}  // namespace fovea::kernels::avxvnni
