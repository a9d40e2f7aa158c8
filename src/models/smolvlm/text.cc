#include "models/smolvlm/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace fovea::models::smolvlm {
namespace {

// A long prompt is run in chunks, which bounds the memory for its activations.
constexpr std::size_t kTokensPerChunk = 512;

Result<nn::RmsNorm> load_rms_norm(const nn::WeightLoader& weights, const std::string& name, std::size_t size,
                                  float eps) {
  nn::RmsNorm norm{.weight = {}, .eps = eps};
  FOVEA_TRY(norm.weight, weights.vector(name, size));
  return norm;
}

}  // namespace

Result<TextModel> TextModel::load(const nn::WeightLoader& weights, const Config& config,
                                  bool bf16_rope_frequencies, nn::KeyValueType key_values) {
  const TextConfig& text = config.text;
  const std::size_t hidden = text.hidden_size;
  const std::size_t q_width = text.num_attention_heads * text.head_dim;
  const std::size_t kv_width = text.num_key_value_heads * text.head_dim;
  TextModel model;
  model.config_ = text;
  model.heads_ = {.heads = text.num_attention_heads,
                  .key_value_heads = text.num_key_value_heads,
                  .head_dim = text.head_dim};
  model.key_value_type_ = key_values;

  const std::string root = "model.text_model.";
  FOVEA_TRY(model.embed_tokens_, weights.embedding(root + "embed_tokens.weight", text.vocab_size, hidden));
  for (std::size_t i = 0; i < text.num_hidden_layers; ++i) {
    const std::string prefix = fmt::format("{}layers.{}.", root, i);
    const bool bias = text.attention_bias;
    Layer layer;
    FOVEA_TRY(layer.input_layernorm,
              load_rms_norm(weights, prefix + "input_layernorm.weight", hidden, text.rms_norm_eps));
    FOVEA_TRY(layer.q_proj, weights.linear(prefix + "self_attn.q_proj", q_width, hidden, bias));
    FOVEA_TRY(layer.k_proj, weights.linear(prefix + "self_attn.k_proj", kv_width, hidden, bias));
    FOVEA_TRY(layer.v_proj, weights.linear(prefix + "self_attn.v_proj", kv_width, hidden, bias));
    FOVEA_TRY(layer.o_proj, weights.linear(prefix + "self_attn.o_proj", hidden, q_width, bias));
    FOVEA_TRY(layer.post_attention_layernorm,
              load_rms_norm(weights, prefix + "post_attention_layernorm.weight", hidden, text.rms_norm_eps));
    FOVEA_TRY(layer.gate_proj,
              weights.linear(prefix + "mlp.gate_proj", text.intermediate_size, hidden, text.mlp_bias));
    FOVEA_TRY(layer.up_proj,
              weights.linear(prefix + "mlp.up_proj", text.intermediate_size, hidden, text.mlp_bias));
    FOVEA_TRY(layer.down_proj,
              weights.linear(prefix + "mlp.down_proj", hidden, text.intermediate_size, text.mlp_bias));
    model.layers_.push_back(std::move(layer));
  }
  FOVEA_TRY(model.norm_, load_rms_norm(weights, root + "norm.weight", hidden, text.rms_norm_eps));
  // A head that is tied, or that a derivative left out, is the embedding table. (A quantised checkpoint
  // always has a head of its own: packed for products, where the table is read by rows.)
  const bool tied =
      !weights.has("lm_head.weight") || (config.tie_word_embeddings && !config.quantization.has_value());
  FOVEA_TRY(model.lm_head_,
            weights.head(tied ? root + "embed_tokens.weight" : "lm_head.weight", text.vocab_size, hidden));
  model.rope_ = nn::RotaryEmbedding(text.head_dim, text.rope_theta, bf16_rope_frequencies);
  return model;
}

void TextModel::for_each_linear(const std::function<void(const nn::Linear&)>& f) const {
  for (const Layer& layer : layers_) {
    for (const nn::Linear* linear : {&layer.q_proj, &layer.k_proj, &layer.v_proj, &layer.o_proj,
                                     &layer.gate_proj, &layer.up_proj, &layer.down_proj}) {
      f(*linear);
    }
  }
  f(lm_head_);
}

std::unique_ptr<nn::KeyValuePool> TextModel::make_pool(std::size_t pages) const {
  return std::make_unique<nn::KeyValuePool>(heads_, layers_.size(), pages, key_value_type_);
}

Cache TextModel::make_cache(std::size_t capacity) const {
  auto pool = make_pool((capacity + nn::kPagePositions - 1) / nn::kPagePositions);
  nn::KeyValueSequence sequence(*pool);
  sequence.reserve(capacity);
  return {.pool = std::move(pool), .sequence = std::move(sequence)};
}

void TextModel::forward(const nn::Compute& compute, float* hidden, std::size_t tokens, Cache& cache) const {
  for (std::size_t first = 0; first < tokens; first += kTokensPerChunk) {
    const nn::SequenceRows rows{&cache.sequence, std::min(kTokensPerChunk, tokens - first)};
    forward(compute, hidden + first * config_.hidden_size, *cache.pool, {&rows, 1});
  }
}

void TextModel::forward(const nn::Compute& compute, float* hidden, nn::KeyValuePool& pool,
                        std::span<const nn::SequenceRows> batch) const {
  std::vector<std::size_t> positions;
  for (const nn::SequenceRows& rows : batch) {
    for (std::size_t i = 0; i < rows.tokens; ++i) positions.push_back(rows.sequence->length() + i);
  }
  const std::size_t tokens = positions.size();
  const std::size_t q_width = heads_.heads * heads_.head_dim;
  const std::size_t kv_width = heads_.key_value_heads * heads_.head_dim;
  // Kept from chunk to chunk: what is given back to the system has to be found again page by page.
  thread_local tensor::Buffer<float> q, mixed, k, v, gate, up;
  thread_local nn::Activations input;
  for (tensor::Buffer<float>* rows : {&q, &mixed}) rows->reserve(tokens * q_width);
  for (tensor::Buffer<float>* rows : {&k, &v}) rows->reserve(tokens * kv_width);
  for (tensor::Buffer<float>* rows : {&gate, &up}) rows->reserve(tokens * config_.intermediate_size);
  const nn::Precision precision = lm_head_.weight.precision();
  const auto rotations = rope_.rotations(positions);

  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    input.assign(compute, precision, layer.input_layernorm, hidden, tokens);
    nn::linear(compute, input,
               {{layer.q_proj, q.data()}, {layer.k_proj, k.data()}, {layer.v_proj, v.data()}});
    nn::rotate(compute, rotations, q.data(), heads_.heads, k.data(), heads_.key_value_heads, tokens);
    nn::store_keys_values(compute, heads_, pool.layer(i), batch, k.data(), v.data());
    nn::causal_attention(compute, heads_, pool.layer(i), batch, q.data(), mixed.data());
    input.assign(compute, precision, mixed.data(), tokens, q_width);
    nn::linear(compute, input, {{layer.o_proj, hidden, nn::Epilogue::kAdd}});

    input.assign(compute, precision, layer.post_attention_layernorm, hidden, tokens);
    nn::linear(compute, input, {{layer.gate_proj, gate.data()}, {layer.up_proj, up.data()}});
    input.assign_silu_product(compute, precision, gate.data(), up.data(), tokens, config_.intermediate_size);
    nn::linear(compute, input, {{layer.down_proj, hidden, nn::Epilogue::kAdd}});
  }
  for (const nn::SequenceRows& rows : batch) rows.sequence->advance(rows.tokens);
}

void TextModel::logits(const nn::Compute& compute, const float* hidden, std::size_t rows,
                       float* logits) const {
  nn::Activations input;
  input.assign(compute, lm_head_.weight.precision(), norm_, hidden, rows);
  nn::linear(compute, input, {{lm_head_, logits}});
}

}  // namespace fovea::models::smolvlm
