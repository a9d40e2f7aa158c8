#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <numeric>

#include "nn/attention_paths.h"
#include "tensor/buffer.h"

namespace fovea::nn {
namespace {

using kernels::kAttentionChunk;
using kernels::kAttentionRows;
using kernels::kPackedColumns;
using kernels::kPackedDepth;
using kernels::kPackedStep;

std::size_t rounded_up(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

/// Sizes of one head's packed keys and values.
struct Sizes {
  std::size_t tokens, head_dim;

  [[nodiscard]] std::size_t depth() const { return rounded_up(head_dim, kPackedDepth); }
  [[nodiscard]] std::size_t columns() const { return rounded_up(head_dim, kPackedColumns); }
  [[nodiscard]] std::size_t positions() const { return rounded_up(tokens, kPackedColumns); }
  [[nodiscard]] std::size_t chunks() const { return (tokens + kAttentionChunk - 1) / kAttentionChunk; }
};

/// Keys and values of all heads as kernels::AttentionInt8 reads them.
struct Packed {
  tensor::Buffer<std::uint8_t> keys, values;
  tensor::Buffer<std::int32_t> key_sums, value_sums;
  tensor::Buffer<float> key_scales, value_scales;
  tensor::Buffer<float> means;  // [heads, head_dim] of the values

  void reserve(const Sizes& size, std::size_t heads) {
    keys.reserve(heads * size.positions() * size.depth());
    values.reserve(heads * size.chunks() * kAttentionChunk * size.columns());
    key_sums.reserve(heads * size.positions());
    value_sums.reserve(heads * size.chunks() * size.columns());
    key_scales.reserve(heads * size.positions());
    value_scales.reserve(heads * size.chunks() * size.columns());
    means.reserve(heads * size.head_dim);
  }
};

/// Rows of whole numbers in somebody's memory, as products read them: blocks of 16 rows by four values.
struct PackedRows {
  std::uint8_t* numbers;  // [rows / 16, depth / 4, 16, 4]
  std::int32_t* sums;     // [rows]
  float* scales;          // [rows]

  /// Those rows of the last block that are past `rows` are zero; the others are set afterwards.
  void clear_rest(std::size_t rows, std::size_t depth) const {
    if (rows % kPackedColumns == 0) return;
    const std::size_t first = rows / kPackedColumns * kPackedColumns;
    std::memset(numbers + first * depth, 0, kPackedColumns * depth);
    std::fill_n(sums + first, kPackedColumns, 0);
    std::fill_n(scales + first, kPackedColumns, 0.0F);
  }

  /// x [n], rounded with one scale, as row `row`.
  void set(const Compute& compute, std::size_t row, const float* x, std::size_t n, std::size_t depth) const {
    thread_local tensor::Buffer<std::int8_t> rounded;
    rounded.reserve(depth);
    scales[row] = compute.kernels.quantize_row_signed(x, n, depth, rounded.data());
    sums[row] = std::accumulate(rounded.data(), rounded.data() + n, 0);
    std::uint8_t* out = numbers + row / kPackedColumns * kPackedColumns * depth + row % kPackedColumns * 4;
    for (std::size_t i = 0; i < depth; i += 4) std::memcpy(out + i / 4 * kPackedStep, rounded.data() + i, 4);
  }
};

/// Asks for the part of a row that lies `kAhead` rows on: a head's rows lie in a page of memory each, where
/// the processor's own prefetchers do not follow.
void expect_row(const float* row, std::size_t width, std::size_t n) {
  constexpr std::size_t kAhead = 16, kLine = 64 / sizeof(float);
  for (std::size_t d = 0; d < n; d += kLine) __builtin_prefetch(row + kAhead * width + d);
}

/// means [head_dim] of rows `width` apart.
void mean_of(const float* x, std::size_t width, const Sizes& size, float* means) {
  std::fill_n(means, size.head_dim, 0.0F);
  for (std::size_t token = 0; token < size.tokens; ++token) {
    expect_row(x + token * width, width, size.head_dim);
    for (std::size_t d = 0; d < size.head_dim; ++d) means[d] += x[token * width + d];
  }
  for (std::size_t d = 0; d < size.head_dim; ++d) means[d] /= static_cast<float>(size.tokens);
}

/// Keys less their mean: that takes the same from all scores of a query, which changes no weight, and what
/// all keys have in common would leave what tells them apart few of the 127 steps (Zhang et al. 2024,
/// SageAttention).
void pack_keys(const Compute& compute, const float* k, std::size_t width, const Sizes& size,
               const PackedRows& keys) {
  thread_local tensor::Buffer<float> mean, key;
  mean.reserve(size.head_dim);
  key.reserve(size.head_dim);
  mean_of(k, width, size, mean.data());
  keys.clear_rest(size.tokens, size.depth());
  for (std::size_t token = 0; token < size.tokens; ++token) {
    expect_row(k + token * width, width, size.head_dim);
    for (std::size_t d = 0; d < size.head_dim; ++d) key[d] = k[token * width + d] - mean[d];
    keys.set(compute, token, key.data(), size.head_dim, size.depth());
  }
}

/// Values less their mean, which is added to what attention finds: its weights sum to one. A row is a channel
/// of a chunk.
void pack_values(const Compute& compute, const float* v, std::size_t width, const Sizes& size,
                 const float* means, PackedRows values) {
  constexpr std::size_t kTogether = 16;  // channels in a line of memory, which so is read once
  std::array<std::array<float, kAttentionChunk>, kTogether> channels;
  const std::size_t columns = size.columns();
  for (std::size_t first = 0; first < size.tokens; first += kAttentionChunk) {
    const std::size_t positions = std::min(kAttentionChunk, size.tokens - first);
    const std::size_t depth = rounded_up(positions, kPackedDepth);
    values.clear_rest(size.head_dim, depth);
    for (std::size_t d = 0; d < size.head_dim; d += kTogether) {
      const std::size_t count = std::min(kTogether, size.head_dim - d);
      for (std::size_t i = 0; i < positions; ++i) {
        const float* from = v + (first + i) * width + d;
        expect_row(from, width, count);
        for (std::size_t c = 0; c < count; ++c) channels[c][i] = from[c] - means[d + c];
      }
      for (std::size_t c = 0; c < count; ++c) {
        values.set(compute, d + c, channels[c].data(), positions, depth);
      }
    }
    values.numbers += columns * kAttentionChunk;
    values.sums += columns;
    values.scales += columns;
  }
}

}  // namespace

void bidirectional_attention_int8(const Compute& compute, const AttentionShape& shape, const float* q,
                                  const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                  float* out) {
  const Sizes size{.tokens = tokens, .head_dim = shape.head_dim};
  const std::size_t width = shape.heads * shape.head_dim;
  const std::size_t heads = frames * shape.heads;
  // Kept from layer to layer: the system would have to find its pages anew every time.
  thread_local Packed kept;
  kept.reserve(size, heads);
  Packed& packed = kept;  // the workers' own are others
  const auto offset = [&](std::size_t head) {
    return head / shape.heads * tokens * width + head % shape.heads * shape.head_dim;
  };
  const auto keys = [&](std::size_t head) {
    return PackedRows{.numbers = packed.keys.data() + head * size.positions() * size.depth(),
                      .sums = packed.key_sums.data() + head * size.positions(),
                      .scales = packed.key_scales.data() + head * size.positions()};
  };
  const auto values = [&](std::size_t head) {
    const std::size_t first = head * size.chunks() * size.columns();
    return PackedRows{.numbers = packed.values.data() + first * kAttentionChunk,
                      .sums = packed.value_sums.data() + first,
                      .scales = packed.value_scales.data() + first};
  };
  const auto means = [&](std::size_t head) { return packed.means.data() + head * shape.head_dim; };
  compute.team.parallel_for(heads, [&](std::size_t head) {
    mean_of(v + offset(head), width, size, means(head));
    pack_keys(compute, k + offset(head), width, size, keys(head));
    pack_values(compute, v + offset(head), width, size, means(head), values(head));
  });

  const float scale = std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(shape.head_dim));
  const std::size_t blocks = (tokens + kAttentionRows - 1) / kAttentionRows;
  compute.team.parallel_for(heads * blocks, [&](std::size_t task) {
    const std::size_t head = task / blocks;
    const std::size_t first = task % blocks * kAttentionRows;
    const std::size_t rows = std::min(kAttentionRows, tokens - first);
    thread_local tensor::Buffer<std::uint8_t> queries;
    queries.reserve(kAttentionRows * size.depth());
    std::array<float, kAttentionRows> scales;
    for (std::size_t i = 0; i < rows; ++i) {
      scales[i] = scale * compute.kernels.quantize_row(q + offset(head) + (first + i) * width, shape.head_dim,
                                                       size.depth(), queries.data() + i * size.depth());
    }
    const PackedRows head_keys = keys(head), head_values = values(head);
    float* found = out + offset(head) + first * width;
    compute.kernels.attention_int8({.q = queries.data(),
                                    .q_scales = scales.data(),
                                    .keys = head_keys.numbers,
                                    .key_sums = head_keys.sums,
                                    .key_scales = head_keys.scales,
                                    .values = head_values.numbers,
                                    .value_sums = head_values.sums,
                                    .value_scales = head_values.scales,
                                    .positions = tokens,
                                    .out = found,
                                    .out_stride = width,
                                    .rows = rows,
                                    .head_dim = shape.head_dim,
                                    .depth = size.depth()});
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t d = 0; d < shape.head_dim; ++d) found[i * width + d] += means(head)[d];
    }
  });
}

}  // namespace fovea::nn
