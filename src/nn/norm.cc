#include "nn/norm.h"

#include <algorithm>

namespace fovea::nn {

void layer_norm(const Compute& compute, const LayerNorm& norm, const float* x, std::size_t rows, float* out) {
  constexpr std::size_t kRowsPerTask = 16;
  const std::size_t size = norm.weight.size();
  compute.team.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::size_t task) {
    const std::size_t last = std::min(rows, (task + 1) * kRowsPerTask);
    for (std::size_t row = task * kRowsPerTask; row < last; ++row) {
      compute.kernels.layer_norm(x + row * size, norm.weight.data(), norm.bias.data(), norm.eps,
                                 out + row * size, size);
    }
  });
}

}  // namespace fovea::nn
