#include "kernels/generic/rows.h"

#include "kernels/portable/isa.h"
#include "kernels/portable/vector.h"

namespace fovea::kernels::portable {

void to_bf16(const float* x, BFloat16* out, std::size_t n) {
  generic::to_bf16<Vector>(x, out, n);
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* out,
                std::size_t n) {
  generic::layer_norm<Vector>(x, weight, bias, eps, out, n);
}

void rms_norm(const float* x, const float* weight, float eps, float* out, std::size_t n) {
  generic::rms_norm<Vector>(x, weight, eps, out, n);
}

void softmax(float* x, float scale, std::size_t n) {
  generic::softmax<Vector>(x, scale, n);
}

void gelu_tanh(float* x, std::size_t n) {
  generic::gelu_tanh<Vector>(x, n);
}

void silu_multiply(float* gate, const float* up, std::size_t n) {
  generic::silu_multiply<Vector>(gate, up, n);
}

void add(float* x, const float* y, std::size_t n) {
  generic::add<Vector>(x, y, n);
}

}  // namespace fovea::kernels::portable
