#pragma once

#include <cstddef>
#include <span>

#include "nn/compute.h"
#include "nn/key_value_pages.h"
#include "nn/weight.h"

namespace fovea::nn {

// Beside float weights attention is computed in float. Beside narrower ones queries, keys, values and
// attention weights are rounded to bfloat16, and sums are float; beside int8 and int4 weights bidirectional
// attention of heads of 64 channels (or a multiple) rounds them to int8 where the instruction set has that.

/// What bidirectional_attention() computes its two products in: kF32, kBF16 or kInt8. `weights` is the
/// precision of the model's weights.
Precision bidirectional_attention_precision(const kernels::Kernels& kernels, std::size_t head_dim,
                                            Precision weights);

/// softmax(Q K^T / sqrt(head_dim)) V over all tokens of each frame. q, k, v, out: [frames, tokens, heads,
/// head_dim]; key_value_heads = heads. `weights` is the precision of the model's weights.
void bidirectional_attention(const Compute& compute, const AttentionShape& shape, Precision weights,
                             const float* q, const float* k, const float* v, std::size_t frames,
                             std::size_t tokens, float* out);

/// Stores k and v, [rows, key_value_heads, head_dim], at the positions that follow those of each sequence,
/// which must have the room. The sequences' lengths stay as they are: the next layer stores at the same ones.
void store_keys_values(const Compute& compute, const AttentionShape& shape, LayerPages& layer,
                       std::span<const SequenceRows> batch, const float* k, const float* v);

/// Causal attention: a row attends to its own sequence's positions up to its own, whose keys and values are
/// already in the layer. q, out: [rows, heads, head_dim], the rows of `batch` one sequence after the other.
/// A row's result does not depend on the rows beside it.
void causal_attention(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                      std::span<const SequenceRows> batch, const float* q, float* out);

}  // namespace fovea::nn
