#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace fovea::kernels {

using tensor::BFloat16;

/// C[m, n] = sum over k of A[m, k] * B[n, k], all row-major: activations times weights as checkpoints store
/// them, [out, in]. Leading dimensions count elements.
template <class Element>
struct MatmulNT {
  const Element* a;
  std::size_t lda;
  const Element* b;
  std::size_t ldb;
  float* c;
  std::size_t ldc;
  std::size_t m, n, k;
};

/// C[m, n] = sum over k of A[m, k] * B[k, n], all row-major float: the two products of attention.
struct MatmulNN {
  const float* a;
  std::size_t lda;
  const float* b;
  std::size_t ldb;
  float* c;
  std::size_t ldc;
  std::size_t m, n, k;
};

/// The arithmetic of one instruction set. Every function works on plain memory in one thread and keeps
/// nothing. The order of each sum depends on k (or n, for rows) alone, never on m, on how a caller cuts a
/// product into pieces, or on alignment: cutting never changes a bit.
struct Kernels {
  const char* isa;

  void (*matmul_nt_f32)(const MatmulNT<float>& product);
  void (*matmul_nt_bf16)(const MatmulNT<BFloat16>& product);  ///< products of bfloat16, summed in float
  void (*matmul_nn)(const MatmulNN& product);

  void (*to_bf16)(const float* x, BFloat16* out, std::size_t n);  ///< round to nearest even

  /// out = (x - mean) / sqrt(variance + eps) * weight + bias; biased variance. `out` may be `x`.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* out,
                     std::size_t n);
  /// out = x / sqrt(mean(x^2) + eps) * weight. `out` may be `x`.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* out, std::size_t n);
  /// x = softmax(scale * x) in place.
  void (*softmax)(float* x, float scale, std::size_t n);

  void (*gelu_tanh)(float* x, std::size_t n);                          ///< tanh form of GELU, in place
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);  ///< gate = silu(gate) * up
  void (*add)(float* x, const float* y, std::size_t n);                ///< x += y
};

/// The kernels this process uses: the best the processor has, or the set that the environment variable
/// FOVEA_ISA names. Chosen once. Errors (kUsage): FOVEA_ISA names an unknown set or one that this processor
/// lacks.
Result<const Kernels*> active_kernels();

/// Every set this processor can run, slowest first; for tests that compare them.
std::vector<const Kernels*> supported_kernels();

/// The set of that name. Errors: as active_kernels.
Result<const Kernels*> find_kernels(std::string_view isa);

}  // namespace fovea::kernels
