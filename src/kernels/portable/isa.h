#pragma once

#include "kernels/kernels.h"

namespace fovea::kernels::portable {
#include "kernels/generic/declarations.inc"
}  // namespace fovea::kernels::portable
