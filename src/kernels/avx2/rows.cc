#include "kernels/generic/rows.h"

#include "kernels/avx2/isa.h"
#include "kernels/avx2/vector.h"

namespace fovea::kernels::avx2 {
#include "kernels/generic/rows_definitions.inc"
}  // namespace fovea::kernels::avx2
