#include "kernels/generic/quantized.h"

#include "kernels/avxvnni/isa.h"
#include "kernels/avxvnni/vector.h"

namespace fovea::kernels::avxvnni {

void matmul_int8(const MatmulQuantized& product) {
  generic::matmul_int8<Isa>(product);
}

void matmul_int4(const MatmulQuantized& product) {
  generic::matmul_int4<Isa>(product);
}

}  // namespace fovea::kernels::avxvnni
