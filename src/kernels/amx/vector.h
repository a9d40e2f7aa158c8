#pragma once

#include "kernels/generic/vector_zmm.h"

namespace fovea::kernels::amx {

struct Set {
  static constexpr bool kBf16 = true;
};

/// What the generic kernels that go with tiles are built from.
struct Isa {
  using Vector = generic::VectorZmm<Set>;
  using Dot = generic::Int8DotZmm<Set>;
};

}  // namespace fovea::kernels::amx
