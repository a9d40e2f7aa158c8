#pragma once

#include "kernels/kernels.h"

namespace fovea::kernels::avx2 {
#include "kernels/generic/declarations.inc"
}  // namespace fovea::kernels::avx2
