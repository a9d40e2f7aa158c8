#include "kernels/generic/attention.h"

#include "kernels/portable/isa.h"
#include "kernels/portable/vector.h"

namespace fovea::kernels::portable {

void attention_bf16(const AttentionBf16& attention) {
  generic::attention_bf16<Isa>(attention);
}

}  // namespace fovea::kernels::portable
