#pragma once

#include "kernels/kernels.h"

namespace fovea::kernels::avx512vnni {
#include "kernels/generic/declarations.inc"
}  // namespace fovea::kernels::avx512vnni
