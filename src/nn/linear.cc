#include "nn/linear.h"

#include <algorithm>
#include <cassert>
#include <span>
#include <string_view>
#include <vector>

#include "nn/share.h"

namespace fovea::nn {
namespace {

// Multiples of every kernel's tile.
constexpr std::size_t kRowStep = 12;
constexpr std::size_t kColumnStep = 64;
constexpr std::size_t kMostProducts = 4;

/// Part of one product: all rows or some, all columns or some.
struct Blocking {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t row_blocks = 0;
  std::size_t column_blocks = 0;

  [[nodiscard]] std::size_t tasks() const { return row_blocks * column_blocks; }
};

std::size_t element_bytes(Precision precision) {
  if (precision == Precision::kF32) return sizeof(float);
  return precision == Precision::kBF16 ? sizeof(tensor::BFloat16) : 1;
}

/// What of a product's operands stays in the second-level cache: a block of activations and one of weights of
/// the same size (products that read their weights as they are stored), or activations alone (packed weights
/// are read a panel at a time).
std::size_t block_bytes(Precision precision) {
  constexpr std::size_t kKilobyte = 1024;
  return (precision == Precision::kF32 || precision == Precision::kBF16 ? 192 : 384) * kKilobyte;
}

/// Blocks that fit the cache, and a few for every thread; one block where handing out work would cost more
/// than the work.
Blocking choose_blocking(std::size_t rows, const Weight& weight, std::size_t threads) {
  const std::size_t columns = weight.rows();
  const std::size_t in = weight.columns();
  if (rows * columns * in < kWorthSharing) return {rows, columns, 1, 1};
  const std::size_t bytes = in * element_bytes(weight.precision());
  const auto fit = [&](std::size_t extent, std::size_t step) {
    return std::min(extent, std::max(step, block_bytes(weight.precision()) / bytes / step * step));
  };
  Blocking blocking{.rows = fit(rows, kRowStep), .columns = columns};
  if (!weight.is_packed()) blocking.columns = fit(columns, kColumnStep);
  blocking.row_blocks = (rows + blocking.rows - 1) / blocking.rows;
  const std::size_t column_blocks_wanted = (4 * threads + blocking.row_blocks - 1) / blocking.row_blocks;
  const std::size_t share = (columns / column_blocks_wanted + kColumnStep - 1) / kColumnStep * kColumnStep;
  blocking.columns = std::min(blocking.columns, std::max(share, kColumnStep));
  blocking.column_blocks = (columns + blocking.columns - 1) / blocking.columns;
  return blocking;
}

/// Rows and columns of C that one task computes.
struct Part {
  std::size_t row, rows, column, columns;
};

void multiply_quantized(const Compute& compute, const Product& product, const Activations& x, Part part) {
  const Weight& weight = product.layer.weight;
  const quantize::PackedView& packed = weight.packed();
  const std::size_t depth = packed.shape.depth();
  const bool int4 = packed.shape.format == quantize::Format::kInt4;
  thread_local tensor::Buffer<std::uint8_t> scratch;
  if (int4) scratch.reserve(kernels::kScratchBlocks * kernels::kPackedColumns * depth);
  const kernels::MatmulQuantized matmul{
      .a = x.int8() + part.row * x.stride(),
      .lda = x.stride(),
      .a_scales = x.scales() + part.row,
      .b = packed.values + part.column * depth / (int4 ? 2 : 1),
      .b_multipliers = int4 ? packed.multipliers + part.column * depth / kernels::kInt4GroupSize : nullptr,
      .b_sums = packed.sums + part.column,
      .b_scales = packed.scales + part.column,
      .bias = product.layer.bias.empty() ? nullptr : product.layer.bias.data() + part.column,
      .scratch = scratch.data(),
      .c = product.out + part.row * weight.rows() + part.column,
      .ldc = weight.rows(),
      .m = part.rows,
      .n = part.columns,
      .k = depth,
      .epilogue = product.epilogue};
  int4 ? compute.kernels.matmul_int4(matmul) : compute.kernels.matmul_int8(matmul);
}

template <class Element>
void multiply_float(const Compute& compute, void (*kernel)(const kernels::MatmulNT<Element>&),
                    const Product& product, const Element* weights, const Element* x, Part part) {
  const std::size_t in = product.layer.weight.columns();
  const std::size_t out_columns = product.layer.weight.rows();
  thread_local tensor::Buffer<float> sums;
  float* c = product.out + part.row * out_columns + part.column;
  std::size_t ldc = out_columns;
  if (product.epilogue == Epilogue::kAdd) {
    sums.reserve(part.rows * part.columns);
    c = sums.data();
    ldc = part.columns;
  }
  kernel({.a = x + part.row * in,
          .lda = in,
          .b = weights + part.column * in,
          .ldb = in,
          .c = c,
          .ldc = ldc,
          .m = part.rows,
          .n = part.columns,
          .k = in});
  for (std::size_t i = 0; i < part.rows; ++i) {
    float* values = c + i * ldc;
    const auto& bias = product.layer.bias;
    if (!bias.empty()) compute.kernels.add(values, bias.data() + part.column, part.columns);
    if (product.epilogue == Epilogue::kGeluTanh) compute.kernels.gelu_tanh(values, part.columns);
    if (product.epilogue == Epilogue::kAdd) {
      compute.kernels.add(product.out + (part.row + i) * out_columns + part.column, values, part.columns);
    }
  }
}

void multiply(const Compute& compute, const Product& product, const Activations& x, Part part) {
  const Weight& weight = product.layer.weight;
  if (weight.is_packed()) {
    multiply_quantized(compute, product, x, part);
  } else if (weight.precision() == Precision::kF32) {
    multiply_float<float>(compute, compute.kernels.matmul_nt_f32, product, weight.f32(), x.f32(), part);
  } else {
    multiply_float<tensor::BFloat16>(compute, compute.kernels.matmul_nt_bf16, product, weight.bf16(),
                                     x.bf16(), part);
  }
}

/// Shows the observer what goes into the products.
void show(InputObserver& observer, const Activations& x, std::initializer_list<Product> products) {
  std::vector<std::string_view> names;
  for (const Product& product : products) names.emplace_back(product.layer.name);
  if (x.weights() == Precision::kF32) observer.see(names, x.f32(), x.rows(), x.columns());
  if (x.weights() != Precision::kBF16) return;
  std::vector<float> floats(x.rows() * x.columns());
  std::ranges::transform(std::span(x.bf16(), floats.size()), floats.begin(),
                         [](tensor::BFloat16 value) { return tensor::to_float(value); });
  observer.see(names, floats.data(), x.rows(), x.columns());
}

}  // namespace

void linear(const Compute& compute, const Activations& x, std::initializer_list<Product> products) {
  assert(products.size() <= kMostProducts);
  if (compute.observer != nullptr) show(*compute.observer, x, products);
  Blocking blockings[kMostProducts];
  std::size_t tasks = 0;
  for (std::size_t i = 0; i < products.size(); ++i) {
    blockings[i] = choose_blocking(x.rows(), products.begin()[i].layer.weight, compute.team.size());
    tasks += blockings[i].tasks();
  }
  const auto run = [&](std::size_t task) {
    std::size_t i = 0;
    for (; task >= blockings[i].tasks(); ++i) task -= blockings[i].tasks();
    const Blocking& blocking = blockings[i];
    const std::size_t row = task / blocking.column_blocks * blocking.rows;
    const std::size_t column = task % blocking.column_blocks * blocking.columns;
    multiply(compute, products.begin()[i], x,
             {.row = row,
              .rows = std::min(blocking.rows, x.rows() - row),
              .column = column,
              .columns = std::min(blocking.columns, products.begin()[i].layer.weight.rows() - column)});
  };
  if (tasks == products.size()) {
    for (std::size_t task = 0; task < tasks; ++task) run(task);
  } else {
    compute.team.parallel_for(tasks, run);
  }
}

void linear(const Compute& compute, const Linear& layer, const float* x, std::size_t rows, float* out,
            Epilogue epilogue) {
  Activations activations;
  activations.assign(compute, layer.weight.precision(), x, rows, layer.weight.columns());
  linear(compute, activations, {{layer, out, epilogue}});
}

}  // namespace fovea::nn
