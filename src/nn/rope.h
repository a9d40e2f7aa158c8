#pragma once

#include <cstddef>

#include "tensor/buffer.h"

namespace fovea::nn {

/// Rotary position embedding, half-split form: dimensions d and d + head_dim / 2 of a head are one pair.
/// Source: RoFormer (Su et al. 2021) as Llama applies it.
class RotaryEmbedding {
 public:
  RotaryEmbedding() = default;
  /// Tables for positions [0, positions). `head_dim` is even. `bf16_frequencies` rounds the frequencies to
  /// bfloat16 first, as a reference run does that casts a whole model, its buffers too, to bfloat16.
  RotaryEmbedding(std::size_t head_dim, float theta, std::size_t positions, bool bf16_frequencies = false);

  /// Rotates `heads` heads of one token, [heads, head_dim], in place.
  void apply(float* x, std::size_t heads, std::size_t position) const;

 private:
  std::size_t half_ = 0;
  tensor::Buffer<float> cos_;  // [positions, half]
  tensor::Buffer<float> sin_;
};

}  // namespace fovea::nn
