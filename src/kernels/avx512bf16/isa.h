#pragma once

#include "kernels/kernels.h"

namespace fovea::kernels::avx512bf16 {
#include "kernels/generic/declarations.inc"
}  // namespace fovea::kernels::avx512bf16
