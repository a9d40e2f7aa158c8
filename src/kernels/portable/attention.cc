#include "kernels/generic/attention.h"

#include "kernels/generic/attention_int8.h"
#include "kernels/portable/isa.h"
#include "kernels/portable/vector.h"

namespace fovea::kernels::portable {

void attention_bf16(const AttentionBf16& attention) {
  generic::attention_bf16<Isa>(attention);
}

void merge_attention(AttentionRow& into, const AttentionRow& part, float scale, std::size_t head_dim) {
  generic::merge_attention<Vector>(into, part, scale, head_dim);
}

void attention_int8(const AttentionInt8& attention) {
  generic::attention_int8<Isa, matmul_int8>(attention);
}

}  // namespace fovea::kernels::portable
