#include "models/smolvlm/vision.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>

#include "nn/attention.h"

namespace fovea::models::smolvlm {
namespace {

// Patches worked on together: enough for whole blocks of every product, few enough that activations stay in
// the megabytes. (Published models: one or two frames.)
constexpr std::size_t kPatchesPerBatch = 1024;
// Steps of a block that do about equally much: q, k and v; attention; twice half of the rows of the MLP.
constexpr std::size_t kParts = 4;

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

std::size_t VisionTower::frame_features() const {
  return config_.patches() / (scale_factor_ * scale_factor_) * connector_.weight.rows();
}

void VisionTower::encode(const nn::Compute& compute, Workspace& workspace, const float* pixels,
                         std::size_t frames, float* features) const {
  const std::size_t batch = frames_per_batch();
  const std::size_t frame_pixels = 3 * config_.image_size * config_.image_size;
  for (std::size_t first = 0; first < frames; first += batch) {
    const auto source = [&](std::size_t frame, std::size_t) {
      return pixels + (first + frame) * frame_pixels;
    };
    Pass pass(*this, workspace, source, std::min(batch, frames - first));
    while (!pass.finished()) pass.step(compute, batch);
    std::copy_n(pass.features(), pass.frames() * frame_features(), features + first * frame_features());
  }
}

VisionTower::Pass::Pass(const VisionTower& tower, Workspace& workspace, PixelSource pixels,
                        std::size_t frames)
    : tower_(&tower), workspace_(&workspace), pixels_(std::move(pixels)), wanted_(frames, true) {
  workspace.hidden.reserve(frames * tower.config_.patches() * tower.config_.hidden_size);
  workspace.features.reserve(frames * tower.frame_features());
}

/// Chooses the frames that take this layer together: wanted ones that lie side by side.
void VisionTower::Pass::begin_group(std::size_t most_frames) {
  most_frames = std::clamp<std::size_t>(most_frames, 1, tower_->frames_per_batch());
  while (group_ < most_frames && first_ + group_ < frames() && wanted_[first_ + group_]) ++group_;
}

/// Goes on to the next wanted frame, in this layer or a later one.
void VisionTower::Pass::next_group() {
  first_ += group_;
  group_ = part_ = 0;
  while (!finished()) {
    while (first_ < frames() && !wanted_[first_]) ++first_;
    if (first_ < frames()) return;
    first_ = 0;
    ++layer_;
  }
}

void VisionTower::Pass::drop(std::size_t frame) {
  wanted_[frame] = false;
  const auto group = std::views::iota(first_, first_ + group_);
  if (std::ranges::none_of(group, [&](std::size_t member) { return wanted_[member]; })) next_group();
}

void VisionTower::Pass::step(const nn::Compute& compute, std::size_t most_frames) {
  if (group_ == 0) begin_group(most_frames);
  step_frames_ = group_;
  const VisionConfig& config = tower_->config_;
  float* hidden = workspace_->hidden.data() + first_ * config.patches() * config.hidden_size;
  if (layer_ == 0) {
    tower_->embed_patches(compute, *workspace_, pixels_(first_, group_), group_, hidden);
  } else if (layer_ <= tower_->blocks_.size()) {
    block_step(compute);
    if (++part_ < kParts) return;
  } else {
    nn::layer_norm(compute, tower_->post_layernorm_, hidden, group_ * config.patches(), hidden);
    float* features = workspace_->features.data() + first_ * tower_->frame_features();
    tower_->connect(compute, *workspace_, hidden, group_, features);
  }
  next_group();
}

void VisionTower::Pass::block_step(const nn::Compute& compute) {
  const VisionConfig& config = tower_->config_;
  const Block& block = tower_->blocks_[layer_ - 1];
  const nn::Precision precision = block.q_proj.weight.precision();
  const std::size_t rows = group_ * config.patches();
  float* hidden = workspace_->hidden.data() + first_ * config.patches() * config.hidden_size;
  // Whole lines each, which products read faster. What attention needs is done with when the MLP begins.
  const std::size_t stride = (rows * config.hidden_size + 15) / 16 * 16;
  const std::size_t half = rows / 2;
  tensor::Buffer<float>& scratch = workspace_->scratch;
  nn::Activations& input = workspace_->input;
  scratch.reserve(std::max(4 * stride, (rows - half) * config.intermediate_size));
  float* q = scratch.data();
  float* k = q + stride;
  float* v = k + stride;
  float* mixed = v + stride;
  if (part_ == 0) {
    input.assign(compute, precision, block.layer_norm1, hidden, rows);
    nn::linear(compute, input, {{block.q_proj, q}, {block.k_proj, k}, {block.v_proj, v}});
  } else if (part_ == 1) {
    const nn::AttentionShape heads{.heads = config.num_attention_heads,
                                   .key_value_heads = config.num_attention_heads,
                                   .head_dim = config.hidden_size / config.num_attention_heads};
    nn::bidirectional_attention(compute, heads, precision, q, k, v, group_, config.patches(), mixed);
    input.assign(compute, precision, mixed, rows, config.hidden_size);
    nn::linear(compute, input, {{block.out_proj, hidden, nn::Epilogue::kAdd}});
  } else {
    const std::size_t from = part_ == 2 ? 0 : half;
    const std::size_t count = part_ == 2 ? half : rows - half;
    if (count == 0) return;  // a single patch
    float* some = hidden + from * config.hidden_size;
    float* inner = scratch.data();
    input.assign(compute, precision, block.layer_norm2, some, count);
    nn::linear(compute, input, {{block.fc1, inner, nn::Epilogue::kGeluTanh}});
    input.assign(compute, precision, inner, count, config.intermediate_size);
    nn::linear(compute, input, {{block.fc2, some, nn::Epilogue::kAdd}});
  }
}

void VisionTower::embed_patches(const nn::Compute& compute, Workspace& workspace, const float* pixels,
                                std::size_t frames, float* hidden) const {
  const std::size_t side = config_.image_size;
  const std::size_t p = config_.patch_size;
  const std::size_t grid = config_.patches_per_side();
  const std::size_t patch_values = 3 * p * p;
  tensor::Buffer<float>& patches = workspace.gathered;
  patches.reserve(frames * config_.patches() * patch_values);
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
  workspace.input.assign(compute, patch_embedding_.weight.precision(), patches.data(),
                         frames * config_.patches(), patch_values);
  nn::linear(compute, workspace.input, {{patch_embedding_, hidden}});
  // A full frame's patches take the rows of the position table in order.
  compute.team.parallel_for(frames, [&](std::size_t frame) {
    const std::size_t size = config_.patches() * config_.hidden_size;
    compute.kernels.add(hidden + frame * size, position_embedding_.data(), size);
  });
}

void VisionTower::connect(const nn::Compute& compute, Workspace& workspace, const float* hidden,
                          std::size_t frames, float* features) const {
  // Pixel shuffle: s x s neighbouring patches become one token, their vectors side by side.
  const std::size_t s = scale_factor_;
  const std::size_t grid = config_.patches_per_side();
  const std::size_t shuffled_grid = grid / s;
  const std::size_t width = config_.hidden_size;
  tensor::Buffer<float>& shuffled = workspace.gathered;
  shuffled.reserve(frames * config_.patches() * width);
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
  workspace.input.assign(compute, connector_.weight.precision(), shuffled.data(),
                         frames * shuffled_grid * shuffled_grid, s * s * width);
  nn::linear(compute, workspace.input, {{connector_, features}});
}

}  // namespace fovea::models::smolvlm
