#include "kernels/generic/rows.h"

#include "kernels/avxvnni/isa.h"
#include "kernels/avxvnni/vector.h"

namespace fovea::kernels::avxvnni {
#include "kernels/generic/rows_definitions.inc"
}  // namespace fovea::kernels::avxvnni
