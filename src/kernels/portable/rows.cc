#include "kernels/generic/rows.h"

#include "kernels/portable/isa.h"
#include "kernels/portable/vector.h"

namespace fovea::kernels::portable {
#include "kernels/generic/rows_definitions.inc"
}  // namespace fovea::kernels::portable
