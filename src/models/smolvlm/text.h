#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "models/smolvlm/config.h"
#include "nn/attention.h"
#include "nn/compute.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rope.h"

namespace fovea::models::smolvlm {

/// Keys and values of one sequence, all layers.
struct Cache {
  std::vector<nn::KeyValueCache> layers;
  std::size_t length = 0;  ///< positions filled
};

/// Llama decoder. Source: Touvron et al. 2023; transformers' LlamaModel.
class TextModel {
 public:
  /// `bf16_rope_frequencies`: see nn::RotaryEmbedding.
  static Result<TextModel> load(const nn::WeightLoader& weights, const Config& config,
                                bool bf16_rope_frequencies);

  /// Token embeddings [vocab_size, hidden_size].
  [[nodiscard]] const nn::Embedding& embedding() const { return embed_tokens_; }

  /// Calls f with every layer that multiplies, the head last.
  void for_each_linear(const std::function<void(const nn::Linear&)>& f) const;

  [[nodiscard]] Cache make_cache(std::size_t capacity) const;

  /// The embedding of one token, [hidden_size]. `id` is inside the vocabulary.
  void embed(std::int32_t id, float* out) const { embed_tokens_.copy_row(static_cast<std::size_t>(id), out); }

  /// Runs `tokens` embeddings [tokens, hidden_size] at the positions after those in the cache, which must
  /// have room, and leaves each token's last hidden state, not yet normalised, in their place.
  void forward(const nn::Compute& compute, float* hidden, std::size_t tokens, Cache& cache) const;

  /// logits [rows, vocab_size] of hidden states [rows, hidden_size] that forward left.
  void logits(const nn::Compute& compute, const float* hidden, std::size_t rows, float* logits) const;

 private:
  struct Layer {
    nn::RmsNorm input_layernorm, post_attention_layernorm;
    nn::Linear q_proj, k_proj, v_proj, o_proj;
    nn::Linear gate_proj, up_proj, down_proj;
  };

  void forward_chunk(const nn::Compute& compute, float* hidden, std::size_t tokens, Cache& cache) const;

  TextConfig config_;
  nn::AttentionShape heads_;
  nn::Embedding embed_tokens_;
  std::vector<Layer> layers_;
  nn::RmsNorm norm_;
  nn::Linear lm_head_;
  nn::RotaryEmbedding rope_;
};

}  // namespace fovea::models::smolvlm
