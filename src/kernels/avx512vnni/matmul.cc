#include "kernels/generic/matmul.h"

#include "kernels/avx512vnni/isa.h"
#include "kernels/avx512vnni/vector.h"

namespace fovea::kernels::avx512vnni {

void matmul_nt_f32(const MatmulNT<float>& product) {
  generic::matmul_nt<Vector, generic::F32Operand<Vector>, 6>(product);
}

void matmul_nt_bf16(const MatmulNT<BFloat16>& product) {
  generic::matmul_nt<Vector, generic::WidenedBf16Operand<Vector>, 6>(product);
}

void matmul_nn(const MatmulNN& product) {
  generic::matmul_nn<Vector, 6, 4>(product);
}

}  // namespace fovea::kernels::avx512vnni
