#include "kernels/generic/quantized.h"

#include "kernels/neon/isa.h"
#include "kernels/neon/vector.h"

namespace fovea::kernels::neon {

void matmul_int8(const MatmulQuantized& product) {
  generic::matmul_int8<Isa>(product);
}

void matmul_int4(const MatmulQuantized& product) {
  generic::matmul_int4<Isa>(product);
}

}  // namespace fovea::kernels::neon
