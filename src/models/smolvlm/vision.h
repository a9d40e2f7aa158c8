#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/result.h"
#include "models/smolvlm/config.h"
#include "nn/compute.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "tensor/buffer.h"

namespace fovea::models::smolvlm {

/// SigLIP vision tower and the connector behind it: frames of pixels to embeddings of the text model.
/// Source: Zhai et al. 2023 (SigLIP); transformers' Idefics3VisionTransformer and Idefics3Connector.
class VisionTower {
 public:
  static Result<VisionTower> load(const nn::WeightLoader& weights, const Config& config);

  /// Calls f with every layer that multiplies.
  void for_each_linear(const std::function<void(const nn::Linear&)>& f) const;

  /// Frames that are worked on together; more in one call gain nothing.
  [[nodiscard]] std::size_t frames_per_batch() const;

  /// pixels [frames, 3, T, T] to features [frames, tokens_per_frame, text hidden_size]. A frame's answer does
  /// not depend on the frames beside it.
  void encode(const nn::Compute& compute, const float* pixels, std::size_t frames, float* features) const;

  /// The way of some frames through the tower in short steps, so that other work can be done between them.
  class Pass {
   public:
    /// pixels [frames, 3, T, T]. The tower outlives the pass.
    Pass(const VisionTower& tower, const float* pixels, std::size_t frames);
    /// Does the next step: the embedding, one half of a block, or the connector. Not after the last.
    void step(const nn::Compute& compute);
    [[nodiscard]] bool finished() const { return next_step_ == tower_->steps(); }
    [[nodiscard]] std::size_t frames() const { return frames_; }
    /// [frames, tokens_per_frame, text hidden_size], when finished.
    [[nodiscard]] const float* features() const { return features_.data(); }

   private:
    const VisionTower* tower_;
    const float* pixels_;
    std::size_t frames_;
    std::size_t next_step_ = 0;
    tensor::Buffer<float> hidden_, mixed_, q_, k_, v_, inner_, features_;
    nn::Activations input_;
  };

  /// Steps of a pass, all about equally long but the first and the last.
  [[nodiscard]] std::size_t steps() const { return 2 * blocks_.size() + 2; }

 private:
  struct Block {
    nn::LayerNorm layer_norm1, layer_norm2;
    nn::Linear q_proj, k_proj, v_proj, out_proj;
    nn::Linear fc1, fc2;
  };

  void embed_patches(const nn::Compute& compute, const float* pixels, std::size_t frames,
                     float* hidden) const;
  void connect(const nn::Compute& compute, const float* hidden, std::size_t frames, float* features) const;

  VisionConfig config_;
  std::size_t scale_factor_ = 1;
  nn::Linear patch_embedding_;             // [hidden, 3 * p * p]: the convolution's kernel equals its stride
  std::vector<float> position_embedding_;  // [patches, hidden]
  std::vector<Block> blocks_;
  nn::LayerNorm post_layernorm_;
  nn::Linear connector_;  // [text hidden, hidden * s * s]
};

}  // namespace fovea::models::smolvlm
