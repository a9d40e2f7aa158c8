#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "nn/attention_paths.h"
#include "nn/share.h"

namespace fovea::nn {
namespace {

// Query rows that are worked on together: their scores stay in the second-level cache.
constexpr std::size_t kQueryBlock = 24;

}  // namespace

void bidirectional_attention_f32(const Compute& compute, const AttentionShape& shape, const float* q,
                                 const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                 float* out) {
  const std::size_t width = shape.heads * shape.head_dim;
  const std::size_t stride = padded_stride(tokens);
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  tensor::Buffer<float> transposed(frames * shape.heads * shape.head_dim * stride);

  compute.team.parallel_for(frames * shape.heads, [&](std::size_t task) {
    const float* source = k + (task / shape.heads) * tokens * width + (task % shape.heads) * shape.head_dim;
    float* target = transposed.data() + task * shape.head_dim * stride;
    for (std::size_t token = 0; token < tokens; ++token) {
      for (std::size_t d = 0; d < shape.head_dim; ++d) target[d * stride + token] = source[token * width + d];
    }
  });

  const std::size_t blocks = (tokens + kQueryBlock - 1) / kQueryBlock;
  compute.team.parallel_for(frames * shape.heads * blocks, [&](std::size_t task) {
    const std::size_t head_index = task / blocks;
    const std::size_t first = task % blocks * kQueryBlock;
    const std::size_t rows = std::min(kQueryBlock, tokens - first);
    const std::size_t offset =
        (head_index / shape.heads) * tokens * width + (head_index % shape.heads) * shape.head_dim;
    thread_local tensor::Buffer<float> scores;
    scores.reserve(kQueryBlock * stride);
    compute.kernels.matmul_nn({.a = q + offset + first * width,
                               .lda = width,
                               .b = transposed.data() + head_index * shape.head_dim * stride,
                               .ldb = stride,
                               .c = scores.data(),
                               .ldc = stride,
                               .m = rows,
                               .n = tokens,
                               .k = shape.head_dim});
    for (std::size_t i = 0; i < rows; ++i) compute.kernels.softmax(scores.data() + i * stride, scale, tokens);
    compute.kernels.matmul_nn({.a = scores.data(),
                               .lda = stride,
                               .b = v + offset,
                               .ldb = width,
                               .c = out + offset + first * width,
                               .ldc = width,
                               .m = rows,
                               .n = shape.head_dim,
                               .k = tokens});
  });
}

namespace {

/// A block of one head's rows of one sequence.
struct Task {
  const KeyValueSequence* sequence;
  std::size_t row;  // of the batch, its first
  std::size_t rows;
  std::size_t start;  // position of the first row
  std::size_t head;
};

std::vector<Task> split(const AttentionShape& shape, std::span<const SequenceRows> batch) {
  std::vector<Task> tasks;
  std::size_t row = 0;
  for (const SequenceRows& rows : batch) {
    for (std::size_t head = 0; head < shape.heads; ++head) {
      for (std::size_t first = 0; first < rows.tokens; first += kQueryBlock) {
        tasks.push_back({.sequence = rows.sequence,
                         .row = row + first,
                         .rows = std::min(kQueryBlock, rows.tokens - first),
                         .start = rows.sequence->length() + first,
                         .head = head});
      }
    }
    row += rows.tokens;
  }
  return tasks;
}

void attend(const Compute& compute, const AttentionShape& shape, const LayerPages& layer, const Task& task,
            const float* q, float* out) {
  const std::size_t width = shape.heads * shape.head_dim;
  const std::size_t head_dim = shape.head_dim;
  const std::size_t key_value_head = task.head / (shape.heads / shape.key_value_heads);
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  const std::size_t visible = task.start + task.rows;  // positions that the block's last row sees
  const std::size_t stride = padded_stride(visible);
  const auto pages = task.sequence->pages();
  thread_local tensor::Buffer<float> scores, sums;
  scores.reserve(kQueryBlock * stride);
  sums.reserve(kQueryBlock * head_dim);
  for (std::size_t first = 0; first < visible; first += kPagePositions) {
    compute.kernels.matmul_nn({.a = q + task.row * width + task.head * head_dim,
                               .lda = width,
                               .b = layer.keys(pages[first / kPagePositions], key_value_head),
                               .ldb = LayerPages::kFloatStride,
                               .c = scores.data() + first,
                               .ldc = stride,
                               .m = task.rows,
                               .n = std::min(kPagePositions, visible - first),
                               .k = head_dim});
  }
  for (std::size_t i = 0; i < task.rows; ++i) {
    // Later positions get weight zero: adding 0 * v leaves a sum as it is, so a row's answer does not
    // depend on the block that it stands in.
    float* row = scores.data() + i * stride;
    const std::size_t seen = task.start + i + 1;
    compute.kernels.softmax(row, scale, seen);
    std::fill(row + seen, row + visible, 0.0F);
  }
  // Page by page, in order: sums over a page are added to those over the pages before it.
  float* result = out + task.row * width + task.head * head_dim;
  for (std::size_t first = 0; first < visible; first += kPagePositions) {
    const bool begins = first == 0;
    compute.kernels.matmul_nn({.a = scores.data() + first,
                               .lda = stride,
                               .b = layer.values(pages[first / kPagePositions], key_value_head),
                               .ldb = head_dim,
                               .c = begins ? result : sums.data(),
                               .ldc = begins ? width : head_dim,
                               .m = task.rows,
                               .n = head_dim,
                               .k = std::min(kPagePositions, visible - first)});
    if (begins) continue;
    for (std::size_t i = 0; i < task.rows; ++i) {
      compute.kernels.add(result + i * width, sums.data() + i * head_dim, head_dim);
    }
  }
}

}  // namespace

void causal_attention_f32(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                          std::span<const SequenceRows> batch, const float* q, float* out) {
  const std::vector<Task> tasks = split(shape, batch);
  std::size_t products = 0;
  for (const Task& task : tasks) products += 2 * shape.head_dim * task.rows * (task.start + task.rows);
  const auto run = [&](std::size_t i) { attend(compute, shape, layer, tasks[i], q, out); };
  if (products < kWorthSharing) {
    for (std::size_t i = 0; i < tasks.size(); ++i) run(i);
  } else {
    compute.team.parallel_for(tasks.size(), run);
  }
}

}  // namespace fovea::nn
