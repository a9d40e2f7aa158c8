#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nn/compute.h"
#include "tensor/buffer.h"

namespace fovea::nn {

/// Rotary position embedding, half-split form: dimensions d and d + head_dim / 2 of a head are one pair.
/// Source: RoFormer (Su et al. 2021) as Llama applies it.
class RotaryEmbedding {
 public:
  RotaryEmbedding() = default;
  /// `head_dim` is even. `bf16_frequencies` rounds the frequencies to bfloat16, as a reference run does that
  /// casts a whole model, its buffers too, to bfloat16.
  RotaryEmbedding(std::size_t head_dim, float theta, bool bf16_frequencies = false);

  /// The rotations of the tokens of a batch. Every layer uses the same ones.
  class Rotations {
   public:
    /// Rotates `heads` heads of the batch's row `token`, [heads, head_dim], in place.
    void apply(float* x, std::size_t heads, std::size_t token) const;
    [[nodiscard]] std::size_t head_dim() const { return 2 * half_; }

   private:
    friend class RotaryEmbedding;
    std::size_t half_ = 0;
    tensor::Buffer<float> cos_;  // [tokens, half]
    tensor::Buffer<float> sin_;
  };

  /// For a token at each of these positions. A model's context may be long, so there is no table of all.
  [[nodiscard]] Rotations rotations(std::span<const std::size_t> positions) const;

 private:
  std::vector<float> frequencies_;  // [head_dim / 2]
};

/// Rotates the queries [tokens, q_heads, head_dim] and keys [tokens, k_heads, head_dim] of a batch.
void rotate(const Compute& compute, const RotaryEmbedding::Rotations& rotations, float* q,
            std::size_t q_heads, float* k, std::size_t k_heads, std::size_t tokens);

}  // namespace fovea::nn
