#include "kernels/generic/quantized.h"

#include "kernels/portable/isa.h"
#include "kernels/portable/vector.h"

namespace fovea::kernels::portable {

void matmul_int8(const MatmulQuantized& product) {
  generic::matmul_int8<Isa>(product);
}

void matmul_int4(const MatmulQuantized& product) {
  generic::matmul_int4<Isa>(product);
}

}  // namespace fovea::kernels::portable
