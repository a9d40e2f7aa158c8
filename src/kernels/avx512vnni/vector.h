#pragma once

#include "kernels/generic/packed.h"
#include "kernels/generic/vector_zmm.h"

namespace fovea::kernels::avx512vnni {

struct Set {
  static constexpr bool kBf16 = false;
};
using Vector = generic::VectorZmm<Set>;

/// What the generic kernels are built from; 24 of 32 registers hold sums.
struct Isa {
  using Vector = avx512vnni::Vector;
  using Dot = generic::Int8DotZmm<Set>;
  using TileDot = Dot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 12;
  static constexpr std::size_t kBlocks = 2;
  static constexpr std::size_t kFewRowBlocks = 4;
};

}  // namespace fovea::kernels::avx512vnni
