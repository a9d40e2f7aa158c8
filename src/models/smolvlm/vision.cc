#include "models/smolvlm/vision.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "nn/attention.h"

namespace fovea::models::smolvlm {
namespace {

// Patches worked on together: enough for whole blocks of every product, few enough that activations stay in
// the megabytes. (Published models: one or two frames.)
constexpr std::size_t kPatchesPerBatch = 1024;

Result<nn::LayerNorm> load_layer_norm(const nn::WeightLoader& weights, const std::string& prefix,
                                      std::size_t size, float eps) {
  nn::LayerNorm norm{.weight = {}, .bias = {}, .eps = eps};
  FOVEA_TRY(norm.weight, weights.vector(prefix + ".weight", size));
  FOVEA_TRY(norm.bias, weights.vector(prefix + ".bias", size));
  return norm;
}

}  // namespace

Result<VisionTower> VisionTower::load(const nn::WeightLoader& weights, const Config& config) {
  const VisionConfig& vision = config.vision;
  const std::size_t hidden = vision.hidden_size;
  const float eps = vision.layer_norm_eps;
  VisionTower tower;
  tower.config_ = vision;
  tower.scale_factor_ = config.scale_factor;

  const std::string root = "model.vision_model.";
  FOVEA_TRY(tower.patch_embedding_, weights.linear(root + "embeddings.patch_embedding", hidden,
                                                   3 * vision.patch_size * vision.patch_size, true));
  FOVEA_TRY(tower.position_embedding_,
            weights.table(root + "embeddings.position_embedding.weight", vision.patches(), hidden));
  for (std::size_t i = 0; i < vision.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("{}encoder.layers.{}.", root, i);
    Block block;
    FOVEA_TRY(block.layer_norm1, load_layer_norm(weights, layer + "layer_norm1", hidden, eps));
    FOVEA_TRY(block.q_proj, weights.linear(layer + "self_attn.q_proj", hidden, hidden, true));
    FOVEA_TRY(block.k_proj, weights.linear(layer + "self_attn.k_proj", hidden, hidden, true));
    FOVEA_TRY(block.v_proj, weights.linear(layer + "self_attn.v_proj", hidden, hidden, true));
    FOVEA_TRY(block.out_proj, weights.linear(layer + "self_attn.out_proj", hidden, hidden, true));
    FOVEA_TRY(block.layer_norm2, load_layer_norm(weights, layer + "layer_norm2", hidden, eps));
    FOVEA_TRY(block.fc1, weights.linear(layer + "mlp.fc1", vision.intermediate_size, hidden, true));
    FOVEA_TRY(block.fc2, weights.linear(layer + "mlp.fc2", hidden, vision.intermediate_size, true));
    tower.blocks_.push_back(std::move(block));
  }
  FOVEA_TRY(tower.post_layernorm_, load_layer_norm(weights, root + "post_layernorm", hidden, eps));
  FOVEA_TRY(tower.connector_,
            weights.linear("model.connector.modality_projection.proj", config.text.hidden_size,
                           hidden * config.scale_factor * config.scale_factor, false));
  return tower;
}

void VisionTower::for_each_linear(const std::function<void(const nn::Linear&)>& f) const {
  f(patch_embedding_);
  for (const Block& block : blocks_) {
    for (const nn::Linear* linear :
         {&block.q_proj, &block.k_proj, &block.v_proj, &block.out_proj, &block.fc1, &block.fc2}) {
      f(*linear);
    }
  }
  f(connector_);
}

std::size_t VisionTower::frames_per_batch() const {
  return std::max<std::size_t>(1, kPatchesPerBatch / config_.patches());
}

void VisionTower::encode(const nn::Compute& compute, const float* pixels, std::size_t frames,
                         float* features) const {
  const std::size_t batch = frames_per_batch();
  const std::size_t frame_pixels = 3 * config_.image_size * config_.image_size;
  const std::size_t frame_features =
      config_.patches() / (scale_factor_ * scale_factor_) * connector_.weight.rows();
  for (std::size_t first = 0; first < frames; first += batch) {
    encode_batch(compute, pixels + first * frame_pixels, std::min(batch, frames - first),
                 features + first * frame_features);
  }
}

void VisionTower::encode_batch(const nn::Compute& compute, const float* pixels, std::size_t frames,
                               float* features) const {
  const std::size_t rows = frames * config_.patches();
  const std::size_t size = rows * config_.hidden_size;
  const nn::AttentionShape heads{.heads = config_.num_attention_heads,
                                 .key_value_heads = config_.num_attention_heads,
                                 .head_dim = config_.hidden_size / config_.num_attention_heads};
  tensor::Buffer<float> hidden(size), mixed(size), q(size), k(size), v(size);
  tensor::Buffer<float> inner(rows * config_.intermediate_size);
  nn::Activations input;

  embed_patches(compute, pixels, frames, hidden.data());
  for (const Block& block : blocks_) {
    const nn::Precision precision = block.q_proj.weight.precision();
    input.assign(compute, precision, block.layer_norm1, hidden.data(), rows);
    nn::linear(compute, input,
               {{block.q_proj, q.data()}, {block.k_proj, k.data()}, {block.v_proj, v.data()}});
    nn::bidirectional_attention(compute, heads, precision, q.data(), k.data(), v.data(), frames,
                                config_.patches(), mixed.data());
    input.assign(compute, precision, mixed.data(), rows, config_.hidden_size);
    nn::linear(compute, input, {{block.out_proj, hidden.data(), nn::Epilogue::kAdd}});

    input.assign(compute, precision, block.layer_norm2, hidden.data(), rows);
    nn::linear(compute, input, {{block.fc1, inner.data(), nn::Epilogue::kGeluTanh}});
    input.assign(compute, precision, inner.data(), rows, config_.intermediate_size);
    nn::linear(compute, input, {{block.fc2, hidden.data(), nn::Epilogue::kAdd}});
  }
  nn::layer_norm(compute, post_layernorm_, hidden.data(), rows, hidden.data());
  connect(compute, hidden.data(), frames, features);
}

void VisionTower::embed_patches(const nn::Compute& compute, const float* pixels, std::size_t frames,
                                float* hidden) const {
  const std::size_t side = config_.image_size;
  const std::size_t p = config_.patch_size;
  const std::size_t grid = config_.patches_per_side();
  const std::size_t patch_values = 3 * p * p;
  tensor::Buffer<float> patches(frames * config_.patches() * patch_values);
  // Pixels right of and below the last whole patch are not read.
  compute.team.parallel_for(frames * grid, [&](std::size_t task) {
    const float* frame = pixels + task / grid * 3 * side * side;
    const std::size_t y = task % grid;
    float* out = patches.data() + task * grid * patch_values;
    for (std::size_t x = 0; x < grid; ++x) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        for (std::size_t row = 0; row < p; ++row, out += p) {
          std::copy_n(frame + (channel * side + y * p + row) * side + x * p, p, out);
        }
      }
    }
  });
  nn::linear(compute, patch_embedding_, patches.data(), frames * config_.patches(), hidden);
  // A full frame's patches take the rows of the position table in order.
  compute.team.parallel_for(frames, [&](std::size_t frame) {
    const std::size_t size = config_.patches() * config_.hidden_size;
    compute.kernels.add(hidden + frame * size, position_embedding_.data(), size);
  });
}

void VisionTower::connect(const nn::Compute& compute, const float* hidden, std::size_t frames,
                          float* features) const {
  // Pixel shuffle: s x s neighbouring patches become one token, their vectors side by side.
  const std::size_t s = scale_factor_;
  const std::size_t grid = config_.patches_per_side();
  const std::size_t shuffled_grid = grid / s;
  const std::size_t width = config_.hidden_size;
  tensor::Buffer<float> shuffled(frames * config_.patches() * width);
  compute.team.parallel_for(frames * shuffled_grid, [&](std::size_t task) {
    const float* frame = hidden + task / shuffled_grid * config_.patches() * width;
    const std::size_t y = task % shuffled_grid;
    float* out = shuffled.data() + task * shuffled_grid * s * s * width;
    for (std::size_t x = 0; x < shuffled_grid; ++x) {
      for (std::size_t dy = 0; dy < s; ++dy, out += s * width) {
        std::copy_n(frame + ((s * y + dy) * grid + s * x) * width, s * width, out);
      }
    }
  });
  nn::linear(compute, connector_, shuffled.data(), frames * shuffled_grid * shuffled_grid, features);
}

}  // namespace fovea::models::smolvlm
