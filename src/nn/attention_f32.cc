#include <algorithm>
#include <cmath>

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

void causal_attention_f32(const Compute& compute, const AttentionShape& shape, const float* q,
                          std::size_t tokens, const KeyValueCache& cache, std::size_t start, float* out) {
  const std::size_t width = shape.heads * shape.head_dim;
  const std::size_t group = shape.heads / shape.key_value_heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  const std::size_t blocks = (tokens + kQueryBlock - 1) / kQueryBlock;

  const auto attend = [&](std::size_t task) {
    const std::size_t head = task / blocks;
    const std::size_t first = task % blocks * kQueryBlock;
    const std::size_t rows = std::min(kQueryBlock, tokens - first);
    const std::size_t visible = start + first + rows;  // positions that the block's last row sees
    const std::size_t stride = padded_stride(visible);
    thread_local tensor::Buffer<float> scores;
    scores.reserve(kQueryBlock * stride);
    compute.kernels.matmul_nn({.a = q + first * width + head * shape.head_dim,
                               .lda = width,
                               .b = cache.keys(head / group),
                               .ldb = cache.stride(),
                               .c = scores.data(),
                               .ldc = stride,
                               .m = rows,
                               .n = visible,
                               .k = shape.head_dim});
    for (std::size_t i = 0; i < rows; ++i) {
      // Later positions get weight zero: adding 0 * v leaves a sum as it is, so a row's answer does not
      // depend on the block that it stands in.
      float* row = scores.data() + i * stride;
      const std::size_t seen = start + first + i + 1;
      compute.kernels.softmax(row, scale, seen);
      std::fill(row + seen, row + visible, 0.0F);
    }
    compute.kernels.matmul_nn({.a = scores.data(),
                               .lda = stride,
                               .b = cache.values(head / group),
                               .ldb = shape.head_dim,
                               .c = out + first * width + head * shape.head_dim,
                               .ldc = width,
                               .m = rows,
                               .n = shape.head_dim,
                               .k = visible});
  };
  if (2 * width * tokens * (start + tokens) < kWorthSharing) {
    for (std::size_t task = 0; task < shape.heads * blocks; ++task) attend(task);
  } else {
    compute.team.parallel_for(shape.heads * blocks, attend);
  }
}

}  // namespace fovea::nn
