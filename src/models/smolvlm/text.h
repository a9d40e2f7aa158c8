#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "models/smolvlm/config.h"
#include "nn/attention.h"
#include "nn/compute.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rope.h"

namespace fovea::models::smolvlm {

/// A pool that one sequence has for itself.
struct Cache {
  std::unique_ptr<nn::KeyValuePool> pool;
  nn::KeyValueSequence sequence;
};

/// Llama decoder. Source: Touvron et al. 2023; transformers' LlamaModel.
class TextModel {
 public:
  /// `bf16_rope_frequencies`: see nn::RotaryEmbedding. `key_values`: what caches and pools are made of.
  static Result<TextModel> load(const nn::WeightLoader& weights, const Config& config,
                                bool bf16_rope_frequencies, nn::KeyValueType key_values);

  /// Token embeddings [vocab_size, hidden_size].
  [[nodiscard]] const nn::Embedding& embedding() const { return embed_tokens_; }

  /// Calls f with every layer that multiplies, the head last.
  void for_each_linear(const std::function<void(const nn::Linear&)>& f) const;

  [[nodiscard]] nn::KeyValueType key_value_type() const { return key_value_type_; }
  /// Pages for the keys and values of any number of sequences.
  [[nodiscard]] std::unique_ptr<nn::KeyValuePool> make_pool(std::size_t pages) const;
  [[nodiscard]] Cache make_cache(std::size_t capacity) const;

  /// The embedding of one token, [hidden_size]. `id` is inside the vocabulary.
  void embed(std::int32_t id, float* out) const { embed_tokens_.copy_row(static_cast<std::size_t>(id), out); }

  /// Runs a batch of embeddings [rows, hidden_size]: the rows of one sequence after the other, each at the
  /// positions after those that the sequence has. Sequences are of `pool`, have the room, and stand in the
  /// batch once. Leaves each row's last hidden state, not yet normalised, in its place. A row's result does
  /// not depend on the rows beside it.
  void forward(const nn::Compute& compute, float* hidden, nn::KeyValuePool& pool,
               std::span<const nn::SequenceRows> batch) const;
  /// The same for one sequence of any number of tokens, in chunks that bound the memory.
  void forward(const nn::Compute& compute, float* hidden, std::size_t tokens, Cache& cache) const;

  /// logits [rows, vocab_size] of hidden states [rows, hidden_size] that forward left.
  void logits(const nn::Compute& compute, const float* hidden, std::size_t rows, float* logits) const;

 private:
  struct Layer {
    nn::RmsNorm input_layernorm, post_attention_layernorm;
    nn::Linear q_proj, k_proj, v_proj, o_proj;
    nn::Linear gate_proj, up_proj, down_proj;
  };

  TextConfig config_;
  nn::AttentionShape heads_;
  nn::KeyValueType key_value_type_ = nn::KeyValueType::kBF16;
  nn::Embedding embed_tokens_;
  std::vector<Layer> layers_;
  nn::RmsNorm norm_;
  nn::Linear lm_head_;
  nn::RotaryEmbedding rope_;
};

}  // namespace fovea::models::smolvlm
