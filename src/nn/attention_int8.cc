#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "nn/attention_paths.h"
#include "tensor/buffer.h"

namespace fovea::nn {
namespace {

using kernels::kAttentionChunk;
using kernels::kAttentionRows;
using kernels::kPackedColumns;
using kernels::kPackedDepth;
using kernels::kPackedStep;

constexpr float kLog2E = 1.44269504F;

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

  Packed(const Sizes& size, std::size_t heads)
      : keys(heads * size.positions() * size.depth()),
        values(heads * size.chunks() * kAttentionChunk * size.columns()),
        key_sums(heads * size.positions()),
        value_sums(heads * size.chunks() * size.columns()),
        key_scales(heads * size.positions()),
        value_scales(heads * size.chunks() * size.columns()),
        means(heads * size.head_dim) {}
};

/// means [head_dim] of rows `width` apart.
void mean_of(const float* x, std::size_t width, const Sizes& size, float* means) {
  std::fill_n(means, size.head_dim, 0.0F);
  for (std::size_t token = 0; token < size.tokens; ++token) {
    for (std::size_t d = 0; d < size.head_dim; ++d) means[d] += x[token * width + d];
  }
  for (std::size_t d = 0; d < size.head_dim; ++d) means[d] /= static_cast<float>(size.tokens);
}

/// Keys less their mean: that takes the same from all scores of a query, which changes no weight, and what
/// all keys have in common would leave what tells them apart few of the 127 steps (Zhang et al. 2024,
/// SageAttention).
void pack_keys(const Compute& compute, const float* k, std::size_t width, const Sizes& size,
               std::uint8_t* keys, std::int32_t* sums, float* scales) {
  thread_local tensor::Buffer<float> mean, row;
  thread_local tensor::Buffer<std::int8_t> numbers;
  mean.reserve(size.head_dim);
  row.reserve(size.head_dim);
  numbers.reserve(size.depth());
  mean_of(k, width, size, mean.data());
  std::memset(keys, 0, size.positions() * size.depth());
  std::fill_n(sums, size.positions(), 0);
  std::fill_n(scales, size.positions(), 0.0F);
  for (std::size_t token = 0; token < size.tokens; ++token) {
    for (std::size_t d = 0; d < size.head_dim; ++d) row[d] = k[token * width + d] - mean[d];
    scales[token] =
        compute.kernels.quantize_row_signed(row.data(), size.head_dim, size.depth(), numbers.data());
    std::uint8_t* out =
        keys + token / kPackedColumns * kPackedColumns * size.depth() + token % kPackedColumns * 4;
    for (std::size_t d = 0; d < size.depth(); d += 4)
      std::memcpy(out + d / 4 * kPackedStep, numbers.data() + d, 4);
    for (std::size_t d = 0; d < size.head_dim; ++d) sums[token] += numbers[d];
  }
}

/// Values less their mean, which is added to what attention finds: its weights sum to one. Each chunk has
/// scales of its own.
void pack_values(const float* v, std::size_t width, const Sizes& size, const float* means,
                 std::uint8_t* values, std::int32_t* sums, float* scales) {
  thread_local tensor::Buffer<float> inverse;
  inverse.reserve(size.head_dim);
  const std::size_t columns = size.columns();
  for (std::size_t first = 0; first < size.tokens; first += kAttentionChunk) {
    const std::size_t positions = std::min(kAttentionChunk, size.tokens - first);
    const std::size_t depth = rounded_up(positions, kPackedDepth);
    std::memset(values, 0, columns * depth);
    std::fill_n(sums, columns, 0);
    std::fill_n(scales, columns, 0.0F);
    const float* rows = v + first * width;
    for (std::size_t position = 0; position < positions; ++position) {
      for (std::size_t d = 0; d < size.head_dim; ++d) {
        scales[d] = std::max(scales[d], std::fabs(rows[position * width + d] - means[d]));
      }
    }
    for (std::size_t d = 0; d < size.head_dim; ++d) {
      const bool usable = scales[d] > 1e-30F && scales[d] < 3e38F;
      inverse[d] = usable ? 127.0F / scales[d] : 0.0F;
      scales[d] /= 127.0F;
    }
    for (std::size_t position = 0; position < positions; ++position) {
      for (std::size_t d = 0; d < size.head_dim; ++d) {
        const float scaled = (rows[position * width + d] - means[d]) * inverse[d];
        const auto number = static_cast<std::int32_t>(std::lrint(std::fabs(scaled) < 200.0F ? scaled : 0.0F));
        sums[d] += number;
        values[d / kPackedColumns * kPackedColumns * depth + position / 4 * kPackedStep +
               d % kPackedColumns * 4 + position % 4] = static_cast<std::uint8_t>(number);
      }
    }
    values += columns * kAttentionChunk;
    sums += columns;
    scales += columns;
  }
}

}  // namespace

void bidirectional_attention_int8(const Compute& compute, const AttentionShape& shape, const float* q,
                                  const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                  float* out) {
  const Sizes size{.tokens = tokens, .head_dim = shape.head_dim};
  const std::size_t width = shape.heads * shape.head_dim;
  const std::size_t heads = frames * shape.heads;
  Packed packed(size, heads);
  const auto offset = [&](std::size_t head) {
    return head / shape.heads * tokens * width + head % shape.heads * shape.head_dim;
  };
  const auto keys = [&](std::size_t head) {
    return packed.keys.data() + head * size.positions() * size.depth();
  };
  const auto values = [&](std::size_t head) {
    return packed.values.data() + head * size.chunks() * kAttentionChunk * size.columns();
  };
  const std::size_t positions = size.positions(), value_columns = size.chunks() * size.columns();
  compute.team.parallel_for(heads, [&](std::size_t head) {
    float* means = packed.means.data() + head * shape.head_dim;
    mean_of(v + offset(head), width, size, means);
    pack_keys(compute, k + offset(head), width, size, keys(head), packed.key_sums.data() + head * positions,
              packed.key_scales.data() + head * positions);
    pack_values(v + offset(head), width, size, means, values(head),
                packed.value_sums.data() + head * value_columns,
                packed.value_scales.data() + head * value_columns);
  });

  const float scale = kLog2E / std::sqrt(static_cast<float>(shape.head_dim));
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
    float* found = out + offset(head) + first * width;
    compute.kernels.attention_int8({.q = queries.data(),
                                    .q_scales = scales.data(),
                                    .keys = keys(head),
                                    .key_sums = packed.key_sums.data() + head * positions,
                                    .key_scales = packed.key_scales.data() + head * positions,
                                    .values = values(head),
                                    .value_sums = packed.value_sums.data() + head * value_columns,
                                    .value_scales = packed.value_scales.data() + head * value_columns,
                                    .positions = tokens,
                                    .out = found,
                                    .out_stride = width,
                                    .rows = rows,
                                    .head_dim = shape.head_dim,
                                    .depth = size.depth()});
    const float* means = packed.means.data() + head * shape.head_dim;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t d = 0; d < shape.head_dim; ++d) found[i * width + d] += means[d];
    }
  });
}

}  // namespace fovea::nn
