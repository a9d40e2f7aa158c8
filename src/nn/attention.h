#pragma once

#include <cstddef>

#include "nn/compute.h"
#include "nn/weight.h"
#include "tensor/buffer.h"

namespace fovea::nn {

struct AttentionShape {
  std::size_t heads = 0;  ///< query heads
  std::size_t key_value_heads =
      0;  ///< divides heads; head j reads key/value head j / (heads / key_value_heads)
  std::size_t head_dim = 0;
};

// Beside float weights attention is computed in float. Beside narrower ones queries, keys, values and
// attention weights are rounded to bfloat16, and sums are float.

/// softmax(Q K^T / sqrt(head_dim)) V over all tokens of each frame. q, k, v, out: [frames, tokens, heads,
/// head_dim]; key_value_heads = heads. `weights` is the precision of the model's weights.
void bidirectional_attention(const Compute& compute, const AttentionShape& shape, Precision weights,
                             const float* q, const float* k, const float* v, std::size_t frames,
                             std::size_t tokens, float* out);

/// Keys and values of one layer of one sequence, grown by appending.
class KeyValueCache {
 public:
  KeyValueCache() = default;
  KeyValueCache(const AttentionShape& shape, std::size_t capacity, Precision weights);

  [[nodiscard]] bool is_float() const { return weights_ == Precision::kF32; }

  /// Stores k and v, [tokens, key_value_heads, head_dim], at positions start, start + 1, ….
  void append(const Compute& compute, const float* k, const float* v, std::size_t start, std::size_t tokens);

  /// Float: keys of one head, [head_dim, stride()]: positions run along memory, so that scores of
  /// neighbouring positions are one vector.
  [[nodiscard]] const float* keys(std::size_t head) const {
    return keys_.data() + head * head_dim_ * stride_;
  }
  [[nodiscard]] std::size_t stride() const { return stride_; }
  /// Float: values of one head, [capacity, head_dim].
  [[nodiscard]] const float* values(std::size_t head) const {
    return values_.data() + head * capacity_ * head_dim_;
  }

  /// bfloat16: keys and values of one head, packed as kernels::AttentionBf16 reads them.
  [[nodiscard]] const tensor::BFloat16* packed_keys(std::size_t head) const;
  [[nodiscard]] const tensor::BFloat16* packed_values(std::size_t head) const;
  [[nodiscard]] std::size_t value_pairs() const { return (capacity_ + 1) / 2; }

 private:
  void append_float(const float* k, const float* v, std::size_t start, std::size_t tokens);
  void append_packed(std::size_t head, const float* k, const float* v, std::size_t start, std::size_t tokens);

  std::size_t heads_ = 0;
  std::size_t head_dim_ = 0;
  std::size_t capacity_ = 0;
  std::size_t stride_ = 0;
  Precision weights_ = Precision::kF32;
  tensor::Buffer<float> keys_;
  tensor::Buffer<float> values_;
  tensor::Buffer<tensor::BFloat16> packed_keys_;
  tensor::Buffer<tensor::BFloat16> packed_values_;
};

/// Causal attention of tokens at positions start … start + tokens - 1, whose keys and values are already in
/// the cache, over all positions up to their own. q, out: [tokens, heads, head_dim].
void causal_attention(const Compute& compute, const AttentionShape& shape, const float* q, std::size_t tokens,
                      const KeyValueCache& cache, std::size_t start, float* out);

}  // namespace fovea::nn
