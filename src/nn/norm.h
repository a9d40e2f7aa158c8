#pragma once

#include <cstddef>
#include <vector>

#include "nn/compute.h"

namespace fovea::nn {

struct LayerNorm {
  std::vector<float> weight;
  std::vector<float> bias;
  float eps = 1e-6F;
};

struct RmsNorm {
  std::vector<float> weight;
  float eps = 1e-5F;
};

/// Every row of x [rows, size] normalised into out, which may be x.
void layer_norm(const Compute& compute, const LayerNorm& norm, const float* x, std::size_t rows, float* out);
void rms_norm(const Compute& compute, const RmsNorm& norm, const float* x, std::size_t rows, float* out);

/// gate = silu(gate) * up over `rows` rows of `size`.
void silu_multiply(const Compute& compute, float* gate, const float* up, std::size_t rows, std::size_t size);

}  // namespace fovea::nn
