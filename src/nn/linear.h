#pragma once

#include <cstddef>

#include "nn/compute.h"
#include "nn/weight.h"

namespace fovea::nn {

/// What follows a product while its values are still in cache.
enum class Epilogue {
  kStore,     ///< out = x W^T + b
  kGeluTanh,  ///< out = gelu_tanh(x W^T + b)
  kAdd,       ///< out += x W^T + b: the residual connection
};

/// x [rows, in] to out [rows, out]. With bf16 weights x is rounded to bf16 first. `out` must not overlap `x`.
void linear(const Compute& compute, const Linear& layer, const float* x, std::size_t rows, float* out,
            Epilogue epilogue = Epilogue::kStore);

}  // namespace fovea::nn
