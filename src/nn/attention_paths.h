#pragma once

#include "nn/attention.h"

// The two forms of attention.h, and what they share.

namespace fovea::nn {

/// A row length for `tokens` floats that is whole in vectors and no multiple of 4096 bytes: rows at such a
/// distance would all fall into the same few cache sets.
inline std::size_t padded_stride(std::size_t tokens) {
  const std::size_t vectors = (tokens + 15) / 16;
  return 16 * (vectors | 1);
}

void bidirectional_attention_f32(const Compute& compute, const AttentionShape& shape, const float* q,
                                 const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                 float* out);
void bidirectional_attention_bf16(const Compute& compute, const AttentionShape& shape, const float* q,
                                  const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                  float* out);
void bidirectional_attention_int8(const Compute& compute, const AttentionShape& shape, const float* q,
                                  const float* k, const float* v, std::size_t frames, std::size_t tokens,
                                  float* out);
void causal_attention_f32(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                          std::span<const SequenceRows> batch, const float* q, float* out);
/// bfloat16 pages. Reads int8 ones too, but then q and out are those of causal_attention_int8.
void causal_attention_bf16(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                           std::span<const SequenceRows> batch, const float* q, float* out);
void causal_attention_int8(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                           std::span<const SequenceRows> batch, const float* q, float* out);

}  // namespace fovea::nn
