#pragma once

#include "kernels/kernels.h"

namespace fovea::kernels::neon {
#include "kernels/generic/declarations.inc"
}  // namespace fovea::kernels::neon
