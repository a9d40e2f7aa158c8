#include "kernels/generic/quantized.h"

#include "kernels/avx512vnni/isa.h"
#include "kernels/avx512vnni/vector.h"

namespace fovea::kernels::avx512vnni {

void matmul_int8(const MatmulQuantized& product) {
  generic::matmul_int8<Isa>(product);
}

void matmul_int4(const MatmulQuantized& product) {
  generic::matmul_int4<Isa>(product);
}

}  // namespace fovea::kernels::avx512vnni
