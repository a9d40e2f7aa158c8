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

}  // namespace fovea::nn
