#include "kernels/generic/rows.h"

#include "kernels/avx512vnni/isa.h"
#include "kernels/avx512vnni/vector.h"

namespace fovea::kernels::avx512vnni {
#include "kernels/generic/rows_definitions.inc"
}  // namespace fovea::kernels::avx512vnni
