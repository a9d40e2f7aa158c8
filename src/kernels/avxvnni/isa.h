#pragma once

#include "kernels/kernels.h"

namespace fovea::kernels::avxvnni {
#include "kernels/generic/declarations.inc"
}  // namespace fovea::kernels::avxvnni
