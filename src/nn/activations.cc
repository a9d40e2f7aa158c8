#include "nn/activations.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "quantize/packed_matrix.h"

namespace fovea::nn {
namespace {

constexpr std::size_t kRowsPerTask = 16;

/// Bytes between rows of int8: a multiple of a cache line, but an odd one, so that the rows of a tile do not
/// all fall into the same few cache sets.
std::size_t padded_stride(std::size_t columns) {
  return 64 * ((columns + 63) / 64 | 1);
}

}  // namespace

void Activations::reserve(Precision weights, std::size_t rows, std::size_t columns) {
  weights_ = weights;
  rows_ = rows;
  columns_ = columns;
  if (weights == Precision::kF32) {
    owned_f32_.reserve(rows * columns);
    f32_ = owned_f32_.data();
  } else if (weights == Precision::kBF16) {
    bf16_.reserve(rows * columns);
  } else {
    stride_ = padded_stride(columns);
    int8_.reserve(rows * stride_);
    scales_.reserve(rows);
  }
}

template <class Make>
void Activations::fill(const Compute& compute, Precision weights, std::size_t rows, std::size_t columns,
                       Make make) {
  reserve(weights, rows, columns);
  const std::size_t block = quantize::hadamard_block(columns);
  const std::size_t depth = quantize::PackedShape{.rows = 1, .columns = columns}.depth();
  const auto fill_rows = [&](std::size_t task) {
    thread_local tensor::Buffer<float> scratch;
    scratch.reserve(columns);
    const std::size_t last = std::min(rows, (task + 1) * kRowsPerTask);
    for (std::size_t row = task * kRowsPerTask; row < last; ++row) {
      if (weights == Precision::kF32) {
        make(row, owned_f32_.data() + row * columns);
        continue;
      }
      make(row, scratch.data());
      if (weights == Precision::kBF16) {
        compute.kernels.to_bf16(scratch.data(), bf16_.data() + row * columns, columns);
      } else {
        compute.kernels.hadamard(scratch.data(), columns, block);
        scales_[row] =
            compute.kernels.quantize_row(scratch.data(), columns, depth, int8_.data() + row * stride_);
      }
    }
  };
  compute.team.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, fill_rows);
}

void Activations::assign(const Compute& compute, Precision weights, const float* x, std::size_t rows,
                         std::size_t columns) {
  if (weights == Precision::kF32) {
    weights_ = weights;
    rows_ = rows;
    columns_ = columns;
    f32_ = x;
    return;
  }
  fill(compute, weights, rows, columns,
       [&](std::size_t row, float* out) { std::copy_n(x + row * columns, columns, out); });
}

void Activations::assign(const Compute& compute, Precision weights, const LayerNorm& norm, const float* x,
                         std::size_t rows) {
  const std::size_t columns = norm.weight.size();
  fill(compute, weights, rows, columns, [&](std::size_t row, float* out) {
    compute.kernels.layer_norm(x + row * columns, norm.weight.data(), norm.bias.data(), norm.eps, out,
                               columns);
  });
}

void Activations::assign(const Compute& compute, Precision weights, const RmsNorm& norm, const float* x,
                         std::size_t rows) {
  const std::size_t columns = norm.weight.size();
  fill(compute, weights, rows, columns, [&](std::size_t row, float* out) {
    compute.kernels.rms_norm(x + row * columns, norm.weight.data(), norm.eps, out, columns);
  });
}

void Activations::assign_silu_product(const Compute& compute, Precision weights, const float* gate,
                                      const float* up, std::size_t rows, std::size_t columns) {
  fill(compute, weights, rows, columns, [&](std::size_t row, float* out) {
    std::copy_n(gate + row * columns, columns, out);
    compute.kernels.silu_multiply(out, up + row * columns, columns);
  });
}

}  // namespace fovea::nn
