#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

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
  // Kept from layer to layer: the system would have to find its pages anew every time.
  thread_local tensor::Buffer<BFloat16> kept_keys, kept_values;
  kept_keys.reserve(heads * keys_size);
  kept_values.reserve(heads * values_size);
  BFloat16* const keys = kept_keys.data();
  BFloat16* const values = kept_values.data();
  const auto offset = [&](std::size_t head) {
    return head / shape.heads * tokens * width + head % shape.heads * head_dim;
  };
  compute.team.parallel_for(heads, [&](std::size_t head) {
    pack_keys(compute, k + offset(head), width, tokens, head_dim, keys + head * keys_size);
    pack_values(compute, v + offset(head), width, tokens, head_dim, values + head * values_size);
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
                                    .keys = keys + head * keys_size,
                                    .values = values + head * values_size,
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

/// Keys and values of one head in one page, as attention_bf16 takes them.
struct PageHead {
  const BFloat16 *keys, *values;
  const float *key_scales = nullptr, *value_scales = nullptr;
};

/// The first `positions` of a page. Those in int8 are widened into memory of this thread, which the next call
/// overwrites. Their scales stay apart: whole numbers are exact in bfloat16, and products with them need no
/// rounding that would cost more than the widening.
PageHead read_head(const Compute& compute, const LayerPages& layer, PageId page, std::size_t head,
                   std::size_t head_dim, std::size_t positions) {
  if (layer.type() != KeyValueType::kInt8) {
    return {.keys = layer.packed_keys(page, head), .values = layer.packed_values(page, head)};
  }
  thread_local tensor::Buffer<BFloat16> keys, values;
  keys.reserve(packed_keys_size(kPagePositions, head_dim));
  values.reserve(packed_values_size(kPagePositions, head_dim));
  const Int8Head stored = layer.int8(page, head);
  compute.kernels.widen_int8(stored.keys, keys.data(), packed_keys_size(positions, head_dim));
  const std::size_t filled = packed_values_size(positions, kHeadBlock);
  constexpr std::size_t kStride = LayerPages::kValuePairs * 2 * kHeadBlock;
  for (std::size_t d = 0, at = 0; d < head_dim; d += kHeadBlock, at += kStride) {
    compute.kernels.widen_int8(stored.values + at, values.data() + at, filled);
  }
  return {.keys = keys.data(),
          .values = values.data(),
          .key_scales = stored.key_scales,
          .value_scales = stored.value_scales};
}

/// Rows of one key/value head of one sequence. All query heads that read it stand beside each other in a
/// token: their rows, [tokens, group], share the reading of its keys and values.
struct HeadRows {
  const AttentionShape& shape;
  const LayerPages& layer;
  const KeyValueSequence& sequence;
  std::size_t head;
  std::size_t row;     // of the batch: the sequence's first
  std::size_t tokens;  // of the sequence in the batch

  [[nodiscard]] std::size_t group() const { return shape.heads / shape.key_value_heads; }
  [[nodiscard]] std::size_t rows() const { return tokens * group(); }
  /// Where row i stands in q and out.
  [[nodiscard]] std::size_t place(std::size_t i) const {
    return ((row + i / group()) * shape.heads + head * group() + i % group()) * shape.head_dim;
  }
  [[nodiscard]] std::size_t visible(std::size_t i) const { return sequence.length() + i / group() + 1; }
  [[nodiscard]] std::size_t pages() const {
    return (sequence.length() + tokens + kPagePositions - 1) / kPagePositions;
  }
  [[nodiscard]] float scale() const { return 1.0F / std::sqrt(static_cast<float>(shape.head_dim)); }

  /// Rows first ... first + count - 1 over what they see of one page; `sums` [count, head_dim] is not divided
  /// yet.
  void attend(const Compute& compute, const float* q, std::size_t first, std::size_t count, std::size_t page,
              Queries& queries, float* sums) const {
    const std::size_t begin = page * kPagePositions;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t sees = visible(first + i);
      queries.set(compute, i, q + place(first + i), shape.head_dim, sees > begin ? sees - begin : 0);
    }
    const std::size_t positions = std::min(kPagePositions, visible(first + count - 1) - begin);
    const PageHead read = read_head(compute, layer, sequence.pages()[page], head, shape.head_dim, positions);
    compute.kernels.attention_bf16({.q = queries.rows.data(),
                                    .ldq = Queries::stride(shape.head_dim),
                                    .keys = read.keys,
                                    .values = read.values,
                                    .value_pairs = LayerPages::kValuePairs,
                                    .key_scales = read.key_scales,
                                    .value_scales = read.value_scales,
                                    .visible = queries.visible.data(),
                                    .first = 0,
                                    .last = positions,
                                    .scale = scale(),
                                    .out = sums,
                                    .out_stride = shape.head_dim,
                                    .tops = queries.tops.data(),
                                    .totals = queries.totals.data(),
                                    .rows = count,
                                    .head_dim = shape.head_dim});
  }
};

/// What a few rows (decoding) found in each page: a task is one page of one head, so that every thread has
/// work; pages are merged afterwards, in order.
struct PageSums {
  tensor::Buffer<float> sums, tops, totals;  // [pages, rows, head_dim], [pages, rows], [pages, rows]

  explicit PageSums(const HeadRows& head)
      : sums(head.pages() * head.rows() * head.shape.head_dim),
        tops(head.pages() * head.rows()),
        totals(head.pages() * head.rows()) {}

  void attend(const Compute& compute, const HeadRows& head, const float* q, std::size_t page) {
    const std::size_t rows = head.rows();
    Queries& queries = task_queries(head.shape.head_dim);
    head.attend(compute, q, 0, rows, page, queries, sums.data() + page * rows * head.shape.head_dim);
    std::copy_n(queries.tops.data(), rows, tops.data() + page * rows);
    std::copy_n(queries.totals.data(), rows, totals.data() + page * rows);
  }

  void merge(const Compute& compute, const HeadRows& head, float* out) {
    const std::size_t head_dim = head.shape.head_dim;
    const std::size_t rows = head.rows();
    for (std::size_t i = 0; i < rows; ++i) {
      const auto found = [&](std::size_t page) {
        const std::size_t at = page * rows + i;
        return kernels::AttentionRow{
            .out = sums.data() + at * head_dim, .top = tops[at], .total = totals[at]};
      };
      kernels::AttentionRow all = found(0);
      for (std::size_t page = 1; page < head.pages(); ++page) {
        compute.kernels.merge_attention(all, found(page), head.scale(), head_dim);
      }
      divide(all.out, head_dim, all.total);
      std::copy_n(all.out, head_dim, out + head.place(i));
    }
  }
};

/// A block of many rows, page after page.
void attend_block(const Compute& compute, const HeadRows& head, const float* q, std::size_t first,
                  std::size_t count, float* out) {
  const std::size_t head_dim = head.shape.head_dim;
  Queries& queries = task_queries(head_dim);
  thread_local tensor::Buffer<float> all, part;
  all.reserve(kAttentionRows * head_dim);
  part.reserve(kAttentionRows * head_dim);
  std::array<float, kAttentionRows> tops;
  std::array<float, kAttentionRows> totals;
  const std::size_t pages = (head.visible(first + count - 1) + kPagePositions - 1) / kPagePositions;
  for (std::size_t page = 0; page < pages; ++page) {
    head.attend(compute, q, first, count, page, queries, page == 0 ? all.data() : part.data());
    if (page == 0) {
      tops = queries.tops;
      totals = queries.totals;
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      kernels::AttentionRow into{.out = all.data() + i * head_dim, .top = tops[i], .total = totals[i]};
      compute.kernels.merge_attention(
          into, {.out = part.data() + i * head_dim, .top = queries.tops[i], .total = queries.totals[i]},
          head.scale(), head_dim);
      tops[i] = into.top;
      totals[i] = into.total;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    float* sum = all.data() + i * head_dim;
    divide(sum, head_dim, totals[i]);
    std::copy_n(sum, head_dim, out + head.place(first + i));
  }
}

/// Either one page of few rows, or one block of many.
struct Task {
  std::size_t head;       // of `heads`
  std::size_t page_sums;  // few rows: of `page_sums`
  std::size_t part;       // few rows: the page; else the first row
  std::size_t work;       // positions times rows, about
  bool few;
};

}  // namespace

void causal_attention_bf16(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                           std::span<const SequenceRows> batch, const float* q, float* out) {
  std::vector<HeadRows> heads;
  std::vector<PageSums> page_sums;
  std::vector<std::size_t> merges;  // the head of each of page_sums
  std::vector<Task> tasks;
  std::size_t products = 0;
  std::size_t row = 0;
  for (const SequenceRows& rows : batch) {
    for (std::size_t head = 0; head < shape.key_value_heads; ++head) {
      const HeadRows& now = heads.emplace_back(shape, layer, *rows.sequence, head, row, rows.tokens);
      const bool few = now.rows() <= kAttentionRows;
      if (few) {
        page_sums.emplace_back(now);
        merges.push_back(heads.size() - 1);
        for (std::size_t page = 0; page < now.pages(); ++page) {
          tasks.push_back({heads.size() - 1, page_sums.size() - 1, page, now.rows() * kPagePositions, few});
        }
      } else {
        for (std::size_t first = 0; first < now.rows(); first += kAttentionRows) {
          tasks.push_back({heads.size() - 1, 0, first, kAttentionRows * now.visible(first), few});
        }
      }
      products += 2 * shape.head_dim * now.rows() * now.visible(now.rows() - 1);
    }
    row += rows.tokens;
  }
  const auto run = [&](std::size_t i) {
    const Task& task = tasks[i];
    const HeadRows& head = heads[task.head];
    if (task.few) {
      page_sums[task.page_sums].attend(compute, head, q, task.part);
    } else {
      attend_block(compute, head, q, task.part, std::min(kAttentionRows, head.rows() - task.part), out);
    }
  };
  if (products < kWorthSharing) {
    for (std::size_t i = 0; i < tasks.size(); ++i) run(i);
  } else {
    // The long ones first, so that threads end together.
    std::ranges::sort(tasks, std::greater{}, &Task::work);
    compute.team.parallel_for(tasks.size(), run);
  }
  for (std::size_t i = 0; i < page_sums.size(); ++i) page_sums[i].merge(compute, heads[merges[i]], out);
}

namespace {

/// Every head of x [rows, width] through the Hadamard transform of int8 keys and values, unscaled, in place.
void transform_heads(const Compute& compute, float* x, std::size_t rows, std::size_t width,
                     std::size_t block) {
  constexpr std::size_t kTaskRows = 16;
  const auto run = [&](std::size_t task) {
    const std::size_t first = task * kTaskRows;
    compute.kernels.hadamard(x + first * width, std::min(kTaskRows, rows - first) * width, block);
  };
  const std::size_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  if (rows * width < kWorthSharing) {
    for (std::size_t task = 0; task < tasks; ++task) run(task);
  } else {
    compute.team.parallel_for(tasks, run);
  }
}

}  // namespace

void causal_attention_int8(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                           std::span<const SequenceRows> batch, const float* q, float* out) {
  std::size_t rows = 0;
  for (const SequenceRows& part : batch) rows += part.tokens;
  const std::size_t width = shape.heads * shape.head_dim;
  tensor::Buffer<float> transformed(rows * width);
  std::copy_n(q, rows * width, transformed.data());
  transform_heads(compute, transformed.data(), rows, width, layer.int8_block());
  causal_attention_bf16(compute, shape, layer, batch, transformed.data(), out);
  transform_heads(compute, out, rows, width, layer.int8_block());
}

}  // namespace fovea::nn
