#include "kernels/generic/matmul.h"

#include "kernels/avxvnni/isa.h"
#include "kernels/avxvnni/vector.h"

namespace fovea::kernels::avxvnni {

void matmul_nt_f32(const MatmulNT<float>& product) {
  generic::matmul_nt<Vector, generic::F32Operand<Vector>, 2>(product);
}

void matmul_nt_bf16(const MatmulNT<BFloat16>& product) {
  generic::matmul_nt<Vector, generic::WidenedBf16Operand<Vector>, 2>(product);
}

void matmul_nn(const MatmulNN& product) {
  generic::matmul_nn<Vector, 4, 2>(product);
}

}  // namespace fovea::kernels::avxvnni
