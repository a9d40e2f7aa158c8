#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "nn/attention_paths.h"
#include "nn/packed_heads.h"
#include "nn/share.h"

namespace fovea::nn {
namespace {

using kernels::kAttentionRows;
using tensor::BFloat16;

/// Queries of one task and where their answers go.
struct Queries {
  tensor::Buffer<BFloat16> rows;  // [kAttentionRows, even head_dim]
  std::array<std::uint32_t, kAttentionRows> visible;

  static std::size_t stride(std::size_t head_dim) { return head_dim + head_dim % 2; }
  void set(const Compute& compute, std::size_t row, const float* query, std::size_t head_dim,
           std::size_t sees) {
    BFloat16* out = rows.data() + row * stride(head_dim);
    compute.kernels.to_bf16(query, out, head_dim);
    if (head_dim % 2 != 0) out[head_dim] = {};
    visible[row] = static_cast<std::uint32_t>(sees);
  }
};

Queries& task_queries(std::size_t head_dim) {
  thread_local Queries queries;
  queries.rows.reserve(kAttentionRows * Queries::stride(head_dim));
  return queries;
}

/// Keys of one head of one frame: k [tokens], rows `width` apart.
void pack_keys(const Compute& compute, const float* k, std::size_t width, std::size_t tokens,
               std::size_t head_dim, BFloat16* keys) {
  const std::size_t pairs = (head_dim + 1) / 2;
  thread_local tensor::Buffer<BFloat16> row;
  row.reserve(2 * pairs);
  row[2 * pairs - 1] = {};
  for (std::size_t token = 0; token < tokens; ++token) {
    compute.kernels.to_bf16(k + token * width, row.data(), head_dim);
    BFloat16* out = keys + (token / kHeadBlock * pairs * kHeadBlock + token % kHeadBlock) * 2;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      std::memcpy(out + pair * 2 * kHeadBlock, row.data() + 2 * pair, 2 * sizeof(BFloat16));
    }
  }
}

void pack_values(const Compute& compute, const float* v, std::size_t width, std::size_t tokens,
                 std::size_t head_dim, BFloat16* values) {
  const std::size_t pairs = (tokens + 1) / 2;
  thread_local tensor::Buffer<float> none;
  none.reserve(head_dim);
  std::fill_n(none.data(), head_dim, 0.0F);
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const float* even = v + 2 * pair * width;
    const float* odd = 2 * pair + 1 < tokens ? even + width : none.data();
    for (std::size_t d = 0; d < head_dim; d += kHeadBlock) {
      compute.kernels.interleave_bf16(even + d, odd + d, values + (d * pairs + pair * kHeadBlock) * 2,
                                      std::min(kHeadBlock, head_dim - d));
    }
  }
}

}  // namespace

void bidirectional_attention_bf16(const Compute& compute, const AttentionShape& shape, const float* q,
                                  const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                  float* out) {
  const std::size_t head_dim = shape.head_dim;
  const std::size_t width = shape.heads * head_dim;
  const std::size_t keys_size = packed_keys_size(tokens, head_dim);
  const std::size_t values_size = packed_values_size(tokens, head_dim);
  const std::size_t heads = frames * shape.heads;
  tensor::Buffer<BFloat16> keys(heads * keys_size), values(heads * values_size);
  const auto offset = [&](std::size_t head) {
    return head / shape.heads * tokens * width + head % shape.heads * head_dim;
  };
  compute.team.parallel_for(heads, [&](std::size_t head) {
    pack_keys(compute, k + offset(head), width, tokens, head_dim, keys.data() + head * keys_size);
    pack_values(compute, v + offset(head), width, tokens, head_dim, values.data() + head * values_size);
  });

  const std::size_t blocks = (tokens + kAttentionRows - 1) / kAttentionRows;
  compute.team.parallel_for(heads * blocks, [&](std::size_t task) {
    const std::size_t head = task / blocks;
    const std::size_t first = task % blocks * kAttentionRows;
    const std::size_t rows = std::min(kAttentionRows, tokens - first);
    Queries& queries = task_queries(head_dim);
    for (std::size_t i = 0; i < rows; ++i) {
      queries.set(compute, i, q + offset(head) + (first + i) * width, head_dim, tokens);
    }
    compute.kernels.attention_bf16({.q = queries.rows.data(),
                                    .ldq = Queries::stride(head_dim),
                                    .keys = keys.data() + head * keys_size,
                                    .values = values.data() + head * values_size,
                                    .value_pairs = (tokens + 1) / 2,
                                    .visible = queries.visible.data(),
                                    .scale = 1.0F / std::sqrt(static_cast<float>(head_dim)),
                                    .out = out + offset(head) + first * width,
                                    .out_stride = width,
                                    .rows = rows,
                                    .head_dim = head_dim});
  });
}

void causal_attention_bf16(const Compute& compute, const AttentionShape& shape, const float* q,
                           std::size_t tokens, const KeyValueCache& cache, std::size_t start, float* out) {
  const std::size_t head_dim = shape.head_dim;
  const std::size_t width = shape.heads * head_dim;
  // All query heads that read one key/value head stand beside each other in a token: their rows share the
  // reading of its keys and values.
  const std::size_t group = shape.heads / shape.key_value_heads;
  const std::size_t rows_per_head = tokens * group;
  const std::size_t blocks = (rows_per_head + kAttentionRows - 1) / kAttentionRows;

  const auto attend = [&](std::size_t task) {
    const std::size_t head = task % shape.key_value_heads;
    // Later blocks see more positions: the long ones first, so that threads end together.
    const std::size_t first = (blocks - 1 - task / shape.key_value_heads) * kAttentionRows;
    const std::size_t rows = std::min(kAttentionRows, rows_per_head - first);
    const auto place = [&](std::size_t i) {
      const std::size_t row = first + i;
      return row / group * width + (head * group + row % group) * head_dim;
    };
    Queries& queries = task_queries(head_dim);
    thread_local tensor::Buffer<float> mixed;
    mixed.reserve(kAttentionRows * head_dim);
    for (std::size_t i = 0; i < rows; ++i) {
      queries.set(compute, i, q + place(i), head_dim, start + (first + i) / group + 1);
    }
    compute.kernels.attention_bf16({.q = queries.rows.data(),
                                    .ldq = Queries::stride(head_dim),
                                    .keys = cache.packed_keys(head),
                                    .values = cache.packed_values(head),
                                    .value_pairs = cache.value_pairs(),
                                    .visible = queries.visible.data(),
                                    .scale = 1.0F / std::sqrt(static_cast<float>(head_dim)),
                                    .out = mixed.data(),
                                    .out_stride = head_dim,
                                    .rows = rows,
                                    .head_dim = head_dim});
    for (std::size_t i = 0; i < rows; ++i) std::copy_n(mixed.data() + i * head_dim, head_dim, out + place(i));
  };
  const std::size_t tasks = shape.key_value_heads * blocks;
  if (2 * width * tokens * (start + tokens) < kWorthSharing) {
    for (std::size_t task = 0; task < tasks; ++task) attend(task);
  } else {
    compute.team.parallel_for(tasks, attend);
  }
}

}  // namespace fovea::nn
