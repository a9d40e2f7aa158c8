#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/result.h"
#include "models/smolvlm/config.h"
#include "nn/activations.h"
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

  /// Frames that are worked on together at most; more in one product gain nothing.
  [[nodiscard]] std::size_t frames_per_batch() const;

  /// Memory that passes work in, one after the other. It grows to the largest of them and stays: what is
  /// given back to the system has to be found again page by page, up to a tenth of a frame's time.
  class Workspace {
    friend class VisionTower;
    tensor::Buffer<float> hidden, features;  // of all frames of a pass
    tensor::Buffer<float> scratch;           // of one group: q, k, v and their mix, or the inner values
    tensor::Buffer<float> gathered;          // of one group: patches of pixels, or those the connector joins
    nn::Activations input;
  };

  /// pixels [frames, 3, T, T] to features [frames, tokens_per_frame, text hidden_size]. A frame's answer does
  /// not depend on the frames beside it.
  void encode(const nn::Compute& compute, Workspace& workspace, const float* pixels, std::size_t frames,
              float* features) const;

  /// pixels [count, 3, T, T] of the frames from `first` on; they stay as they are until the next call.
  using PixelSource = std::function<const float*(std::size_t first, std::size_t count)>;

  /// The way of some frames through the tower in short steps, so that other work can be done between them.
  /// All frames take a block before any takes the next, as many side by side as a step may have; only their
  /// hidden states are kept for all of them (4 bytes x patches x hidden_size each), the rest of the memory is
  /// that of the frames of one step.
  class Pass {
   public:
    /// The tower and the workspace, which no other pass uses meanwhile, outlive the pass. `pixels` is asked
    /// for every frame once, by the first steps.
    Pass(const VisionTower& tower, Workspace& workspace, PixelSource pixels, std::size_t frames);
    /// Does the next step for at most `most_frames` frames (1 or more) and frames_per_batch(): the embedding,
    /// a quarter of a block, or the connector. Frames that began a block together end it together. Not when
    /// finished.
    void step(const nn::Compute& compute, std::size_t most_frames);
    /// Leaves a frame out from here on; its features will mean nothing. Without any frame left the pass is
    /// finished.
    void drop(std::size_t frame);
    [[nodiscard]] bool finished() const { return layer_ == tower_->blocks_.size() + 2; }
    [[nodiscard]] std::size_t frames() const { return wanted_.size(); }
    /// Frames that the last step did.
    [[nodiscard]] std::size_t step_frames() const { return step_frames_; }
    /// [frames, tokens_per_frame, text hidden_size], when finished.
    [[nodiscard]] const float* features() const { return workspace_->features.data(); }

   private:
    void begin_group(std::size_t most_frames);
    void next_group();
    void block_step(const nn::Compute& compute);

    const VisionTower* tower_;
    Workspace* workspace_;
    PixelSource pixels_;
    std::vector<bool> wanted_;  // of each frame
    std::size_t layer_ = 0;     // 0: the embedding, then the blocks, then the connector
    std::size_t first_ = 0;     // frame of the group that is next, or under way in this layer
    std::size_t group_ = 0;     // its frames; 0: it has not begun
    std::size_t part_ = 0;      // of the block: what is next for the group
    std::size_t step_frames_ = 0;
  };

 private:
  struct Block {
    nn::LayerNorm layer_norm1, layer_norm2;
    nn::Linear q_proj, k_proj, v_proj, out_proj;
    nn::Linear fc1, fc2;
  };

  [[nodiscard]] std::size_t frame_features() const;
  void embed_patches(const nn::Compute& compute, Workspace& workspace, const float* pixels,
                     std::size_t frames, float* hidden) const;
  void connect(const nn::Compute& compute, Workspace& workspace, const float* hidden, std::size_t frames,
               float* features) const;

  VisionConfig config_;
  std::size_t scale_factor_ = 1;
  nn::Linear patch_embedding_;             // [hidden, 3 * p * p]: the convolution's kernel equals its stride
  std::vector<float> position_embedding_;  // [patches, hidden]
  std::vector<Block> blocks_;
  nn::LayerNorm post_layernorm_;
  nn::Linear connector_;  // [text hidden, hidden * s * s]
};

}  // namespace fovea::models::smolvlm
