#include "nn/norm.h"

#include <algorithm>

namespace fovea::nn {
namespace {

/// Calls f(row) for all rows, several to a task so that a task is worth handing out.
template <class Function>
void for_rows(const Compute& compute, std::size_t rows, const Function& f) {
  constexpr std::size_t kRowsPerTask = 16;
  compute.team.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::size_t task) {
    const std::size_t end = std::min(rows, (task + 1) * kRowsPerTask);
    for (std::size_t row = task * kRowsPerTask; row < end; ++row) f(row);
  });
}

}  // namespace

void layer_norm(const Compute& compute, const LayerNorm& norm, const float* x, std::size_t rows, float* out) {
  const std::size_t size = norm.weight.size();
  for_rows(compute, rows, [&](std::size_t row) {
    compute.kernels.layer_norm(x + row * size, norm.weight.data(), norm.bias.data(), norm.eps,
                               out + row * size, size);
  });
}

void rms_norm(const Compute& compute, const RmsNorm& norm, const float* x, std::size_t rows, float* out) {
  const std::size_t size = norm.weight.size();
  for_rows(compute, rows, [&](std::size_t row) {
    compute.kernels.rms_norm(x + row * size, norm.weight.data(), norm.eps, out + row * size, size);
  });
}

void silu_multiply(const Compute& compute, float* gate, const float* up, std::size_t rows, std::size_t size) {
  for_rows(compute, rows,
           [&](std::size_t row) { compute.kernels.silu_multiply(gate + row * size, up + row * size, size); });
}

}  // namespace fovea::nn
