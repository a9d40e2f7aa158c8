#include "nn/attention.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "nn/attention_paths.h"
#include "nn/packed_heads.h"

namespace fovea::nn {

void bidirectional_attention(const Compute& compute, const AttentionShape& shape, Precision weights,
                             const float* q, const float* k, const float* v, std::size_t frames,
                             std::size_t tokens, float* out) {
  const auto attention =
      weights == Precision::kF32 ? bidirectional_attention_f32 : bidirectional_attention_bf16;
  attention(compute, shape, q, k, v, frames, tokens, out);
}

void causal_attention(const Compute& compute, const AttentionShape& shape, const float* q, std::size_t tokens,
                      const KeyValueCache& cache, std::size_t start, float* out) {
  const auto attention = cache.is_float() ? causal_attention_f32 : causal_attention_bf16;
  attention(compute, shape, q, tokens, cache, start, out);
}

KeyValueCache::KeyValueCache(const AttentionShape& shape, std::size_t capacity, Precision weights)
    : heads_(shape.key_value_heads), head_dim_(shape.head_dim), capacity_(capacity), weights_(weights) {
  if (is_float()) {
    stride_ = padded_stride(capacity);
    keys_ = tensor::Buffer<float>(heads_ * head_dim_ * stride_);
    values_ = tensor::Buffer<float>(heads_ * head_dim_ * capacity);
  } else {
    packed_keys_ = tensor::Buffer<tensor::BFloat16>(heads_ * packed_keys_size(capacity, head_dim_));
    packed_values_ = tensor::Buffer<tensor::BFloat16>(heads_ * packed_values_size(capacity, head_dim_));
  }
}

const tensor::BFloat16* KeyValueCache::packed_keys(std::size_t head) const {
  return packed_keys_.data() + head * packed_keys_size(capacity_, head_dim_);
}

const tensor::BFloat16* KeyValueCache::packed_values(std::size_t head) const {
  return packed_values_.data() + head * packed_values_size(capacity_, head_dim_);
}

void KeyValueCache::append(const Compute& compute, const float* k, const float* v, std::size_t start,
                           std::size_t tokens) {
  if (is_float()) {
    append_float(k, v, start, tokens);
  } else if (tokens == 1) {
    for (std::size_t head = 0; head < heads_; ++head) append_packed(head, k, v, start, tokens);
  } else {
    compute.team.parallel_for(heads_, [&](std::size_t head) { append_packed(head, k, v, start, tokens); });
  }
}

void KeyValueCache::append_float(const float* k, const float* v, std::size_t start, std::size_t tokens) {
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t head = 0; head < heads_; ++head) {
      const float* key = k + (token * heads_ + head) * head_dim_;
      const float* value = v + (token * heads_ + head) * head_dim_;
      float* keys = keys_.data() + head * head_dim_ * stride_ + start + token;
      for (std::size_t d = 0; d < head_dim_; ++d) keys[d * stride_] = key[d];
      std::copy_n(value, head_dim_, values_.data() + (head * capacity_ + start + token) * head_dim_);
    }
  }
}

void KeyValueCache::append_packed(std::size_t head, const float* k, const float* v, std::size_t start,
                                  std::size_t tokens) {
  tensor::BFloat16* keys = packed_keys_.data() + head * packed_keys_size(capacity_, head_dim_);
  tensor::BFloat16* values = packed_values_.data() + head * packed_values_size(capacity_, head_dim_);
  for (std::size_t token = 0; token < tokens; ++token) {
    const std::size_t row = (token * heads_ + head) * head_dim_;
    pack_key(k + row, start + token, head_dim_, keys);
    pack_value(v + row, start + token, head_dim_, value_pairs(), values);
  }
}

}  // namespace fovea::nn
