#include "kernels/generic/rows.h"

#include "kernels/avx512bf16/isa.h"
#include "kernels/avx512bf16/vector.h"

namespace fovea::kernels::avx512bf16 {
#include "kernels/generic/rows_definitions.inc"
}  // namespace fovea::kernels::avx512bf16
