#include "kernels/generic/matmul.h"

#include "kernels/neon/isa.h"
#include "kernels/neon/vector.h"

namespace fovea::kernels::neon {

void matmul_nt_f32(const MatmulNT<float>& product) {
  generic::matmul_nt<Vector, generic::F32Operand<Vector>, 5>(product);
}

void matmul_nt_bf16(const MatmulNT<BFloat16>& product) {
  generic::matmul_nt<Vector, generic::WidenedBf16Operand<Vector>, 5>(product);
}

void matmul_nn(const MatmulNN& product) {
  generic::matmul_nn<Vector, 6, 4>(product);
}

}  // namespace fovea::kernels::neon
