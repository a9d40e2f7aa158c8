#include "nn/linear.h"

#include <algorithm>

#include "nn/share.h"

namespace fovea::nn {
namespace {

// A block of activations and one of weights together stay well inside the second-level cache.
constexpr std::size_t kBlockBytes = 192 * 1024;
// Multiples of every kernel's tile.
constexpr std::size_t kRowStep = 12;
constexpr std::size_t kColumnStep = 16;

struct Blocking {
  std::size_t rows;
  std::size_t columns;
};

/// Blocks that fit the cache, and a few for every thread; one block where handing out work would cost more
/// than the work.
Blocking choose_blocking(std::size_t rows, std::size_t columns, std::size_t in, std::size_t element_bytes,
                         std::size_t threads) {
  if (rows * columns * in < kWorthSharing) return {rows, columns};
  const auto fit = [&](std::size_t extent, std::size_t step) {
    const std::size_t most = std::max(step, kBlockBytes / (in * element_bytes) / step * step);
    return std::min(extent, most);
  };
  Blocking blocking{fit(rows, kRowStep), fit(columns, kColumnStep)};
  const std::size_t row_blocks = (rows + blocking.rows - 1) / blocking.rows;
  const std::size_t column_blocks_wanted = (4 * threads + row_blocks - 1) / row_blocks;
  const std::size_t share = (columns / column_blocks_wanted + kColumnStep - 1) / kColumnStep * kColumnStep;
  blocking.columns = std::min(blocking.columns, std::max(share, kColumnStep));
  return blocking;
}

template <class Element>
void product(const Compute& compute, void (*kernel)(const kernels::MatmulNT<Element>&), const Linear& layer,
             const Element* weights, const Element* x, std::size_t rows, float* out, Epilogue epilogue) {
  const std::size_t in = layer.weight.columns();
  const std::size_t columns = layer.weight.rows();
  const Blocking blocking = choose_blocking(rows, columns, in, sizeof(Element), compute.team.size());
  const std::size_t row_blocks = (rows + blocking.rows - 1) / blocking.rows;
  const std::size_t column_blocks = (columns + blocking.columns - 1) / blocking.columns;

  compute.team.parallel_for(row_blocks * column_blocks, [&](std::size_t task) {
    const std::size_t row = task / column_blocks * blocking.rows;
    const std::size_t column = task % column_blocks * blocking.columns;
    const std::size_t m = std::min(blocking.rows, rows - row);
    const std::size_t n = std::min(blocking.columns, columns - column);
    thread_local tensor::Buffer<float> sums;
    float* c = out + row * columns + column;
    std::size_t ldc = columns;
    if (epilogue == Epilogue::kAdd) {
      sums.reserve(m * n);
      c = sums.data();
      ldc = n;
    }
    kernel({.a = x + row * in,
            .lda = in,
            .b = weights + column * in,
            .ldb = in,
            .c = c,
            .ldc = ldc,
            .m = m,
            .n = n,
            .k = in});
    for (std::size_t i = 0; i < m; ++i) {
      float* values = c + i * ldc;
      if (!layer.bias.empty()) compute.kernels.add(values, layer.bias.data() + column, n);
      if (epilogue == Epilogue::kGeluTanh) compute.kernels.gelu_tanh(values, n);
      if (epilogue == Epilogue::kAdd) compute.kernels.add(out + (row + i) * columns + column, values, n);
    }
  });
}

}  // namespace

void linear(const Compute& compute, const Linear& layer, const float* x, std::size_t rows, float* out,
            Epilogue epilogue) {
  if (layer.weight.precision() == Precision::kF32) {
    product<float>(compute, compute.kernels.matmul_nt_f32, layer, layer.weight.f32(), x, rows, out, epilogue);
    return;
  }
  const std::size_t in = layer.weight.columns();
  tensor::Buffer<tensor::BFloat16> rounded(rows * in);
  constexpr std::size_t kRowsPerTask = 32;
  compute.team.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::size_t task) {
    const std::size_t row = task * kRowsPerTask;
    const std::size_t count = std::min(kRowsPerTask, rows - row) * in;
    compute.kernels.to_bf16(x + row * in, rounded.data() + row * in, count);
  });
  product<tensor::BFloat16>(compute, compute.kernels.matmul_nt_bf16, layer, layer.weight.bf16(),
                            rounded.data(), rows, out, epilogue);
}

}  // namespace fovea::nn
