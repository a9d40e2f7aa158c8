#include "kernels/generic/attention.h"

#include "kernels/avx2/isa.h"
#include "kernels/avx2/vector.h"

namespace fovea::kernels::avx2 {

void attention_bf16(const AttentionBf16& attention) {
  generic::attention_bf16<Isa>(attention);
}

}  // namespace fovea::kernels::avx2
