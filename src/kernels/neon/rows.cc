#include "kernels/generic/rows.h"

#include "kernels/neon/isa.h"
#include "kernels/neon/vector.h"

namespace fovea::kernels::neon {
#include "kernels/generic/rows_definitions.inc"
}  // namespace fovea::kernels::neon
