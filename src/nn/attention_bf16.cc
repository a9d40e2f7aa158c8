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

/// Queries of one task and what was found for them.
struct Queries {
  tensor::Buffer<BFloat16> rows;  // [kAttentionRows, even head_dim]
  std::array<std::uint32_t, kAttentionRows> visible;
  std::array<float, kAttentionRows> tops;
  std::array<float, kAttentionRows> totals;

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

void divide(float* x, std::size_t n, float divisor) {
  const float factor = 1.0F / divisor;
  for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
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
                                    .first = 0,
                                    .last = tokens,
                                    .scale = 1.0F / std::sqrt(static_cast<float>(head_dim)),
                                    .out = out + offset(head) + first * width,
                                    .out_stride = width,
                                    .tops = queries.tops.data(),
                                    .totals = queries.totals.data(),
                                    .rows = rows,
                                    .head_dim = head_dim});
    for (std::size_t i = 0; i < rows; ++i) {
      divide(out + offset(head) + (first + i) * width, head_dim, queries.totals[i]);
    }
  });
}

namespace {

/// Causal attention of the rows [tokens, group] of one key/value head. All query heads that read one
/// key/value head stand beside each other in a token: their rows share the reading of its keys and values.
struct HeadRows {
  const AttentionShape& shape;
  const KeyValueCache& cache;
  const float* q;
  float* out;
  std::size_t start;  // position of the first token
  std::size_t head;

  [[nodiscard]] std::size_t group() const { return shape.heads / shape.key_value_heads; }
  [[nodiscard]] std::size_t place(std::size_t row) const {
    return (row / group() * shape.heads + head * group() + row % group()) * shape.head_dim;
  }
  [[nodiscard]] std::size_t visible(std::size_t row) const { return start + row / group() + 1; }
  [[nodiscard]] float scale() const { return 1.0F / std::sqrt(static_cast<float>(shape.head_dim)); }

  /// Rows first ... first + count - 1 over some positions; `sums` [count, head_dim] is not divided yet.
  void attend(const Compute& compute, std::size_t first, std::size_t count, std::size_t from, std::size_t to,
              Queries& queries, float* sums) const {
    for (std::size_t i = 0; i < count; ++i) {
      queries.set(compute, i, q + place(first + i), shape.head_dim, visible(first + i));
    }
    compute.kernels.attention_bf16({.q = queries.rows.data(),
                                    .ldq = Queries::stride(shape.head_dim),
                                    .keys = cache.packed_keys(head),
                                    .values = cache.packed_values(head),
                                    .value_pairs = cache.value_pairs(),
                                    .visible = queries.visible.data(),
                                    .first = from,
                                    .last = to,
                                    .scale = scale(),
                                    .out = sums,
                                    .out_stride = shape.head_dim,
                                    .tops = queries.tops.data(),
                                    .totals = queries.totals.data(),
                                    .rows = count,
                                    .head_dim = shape.head_dim});
  }
};

/// Few rows (decoding): a task is one chunk of one head, so that every thread has work, and the chunks are
/// merged afterwards in the order in which the kernel itself merges them.
void attend_by_chunks(const Compute& compute, const AttentionShape& shape, const float* q, std::size_t tokens,
                      const KeyValueCache& cache, std::size_t start, float* out) {
  const std::size_t head_dim = shape.head_dim;
  const std::size_t rows = tokens * (shape.heads / shape.key_value_heads);
  const std::size_t positions = start + tokens;
  const std::size_t chunks = (positions + kernels::kAttentionChunk - 1) / kernels::kAttentionChunk;
  const std::size_t tasks = shape.key_value_heads * chunks;
  tensor::Buffer<float> sums(tasks * rows * head_dim), tops(tasks * rows), totals(tasks * rows);
  const auto attend = [&](std::size_t task) {
    const HeadRows head{shape, cache, q, out, start, task / chunks};
    const std::size_t from = task % chunks * kernels::kAttentionChunk;
    Queries& queries = task_queries(head_dim);
    head.attend(compute, 0, rows, from, std::min(positions, from + kernels::kAttentionChunk), queries,
                sums.data() + task * rows * head_dim);
    std::copy_n(queries.tops.data(), rows, tops.data() + task * rows);
    std::copy_n(queries.totals.data(), rows, totals.data() + task * rows);
  };
  if (2 * shape.heads * head_dim * tokens * positions < kWorthSharing) {
    for (std::size_t task = 0; task < tasks; ++task) attend(task);
  } else {
    compute.team.parallel_for(tasks, attend);
  }
  for (std::size_t index = 0; index < shape.key_value_heads * rows; ++index) {
    const HeadRows head{shape, cache, q, out, start, index / rows};
    const auto found = [&](std::size_t chunk) {
      const std::size_t at = (head.head * chunks + chunk) * rows + index % rows;
      return kernels::AttentionRow{.out = sums.data() + at * head_dim, .top = tops[at], .total = totals[at]};
    };
    kernels::AttentionRow all = found(0);
    for (std::size_t chunk = 1; chunk < chunks; ++chunk) {
      compute.kernels.merge_attention(all, found(chunk), head.scale(), head_dim);
    }
    divide(all.out, head_dim, all.total);
    std::copy_n(all.out, head_dim, out + head.place(index % rows));
  }
}

}  // namespace

void causal_attention_bf16(const Compute& compute, const AttentionShape& shape, const float* q,
                           std::size_t tokens, const KeyValueCache& cache, std::size_t start, float* out) {
  const std::size_t rows_per_head = tokens * (shape.heads / shape.key_value_heads);
  if (rows_per_head <= kAttentionRows) {
    attend_by_chunks(compute, shape, q, tokens, cache, start, out);
    return;
  }
  const std::size_t blocks = (rows_per_head + kAttentionRows - 1) / kAttentionRows;
  compute.team.parallel_for(shape.key_value_heads * blocks, [&](std::size_t task) {
    const HeadRows head{shape, cache, q, out, start, task % shape.key_value_heads};
    // Later blocks see more positions: the long ones first, so that threads end together.
    const std::size_t first = (blocks - 1 - task / shape.key_value_heads) * kAttentionRows;
    const std::size_t rows = std::min(kAttentionRows, rows_per_head - first);
    Queries& queries = task_queries(shape.head_dim);
    thread_local tensor::Buffer<float> sums;
    sums.reserve(kAttentionRows * shape.head_dim);
    head.attend(compute, first, rows, 0, head.visible(first + rows - 1), queries, sums.data());
    for (std::size_t i = 0; i < rows; ++i) {
      float* sum = sums.data() + i * shape.head_dim;
      divide(sum, shape.head_dim, queries.totals[i]);
      std::copy_n(sum, shape.head_dim, out + head.place(first + i));
    }
  });
}

}  // namespace fovea::nn
