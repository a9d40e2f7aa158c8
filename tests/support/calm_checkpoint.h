#pragma once

#include <cstring>
#include <functional>
#include <string>

#include "support/checkpoint_copy.h"

namespace fovea::test {

/// Multiplies the elements (f32) of one tensor for which `pick(row)` holds.
inline void scale_rows(CheckpointCopy::Tensor& tensor, float factor,
                       const std::function<bool(std::size_t row)>& pick) {
  const std::size_t row_bytes = tensor.bytes.size() / tensor.shape[0];
  for (std::size_t at = 0; at < tensor.bytes.size(); at += sizeof factor) {
    if (!pick(at / row_bytes)) continue;
    float value = 0;
    std::memcpy(&value, tensor.bytes.data() + at, sizeof value);
    value *= factor;
    std::memcpy(tensor.bytes.data() + at, &value, sizeof value);
  }
}

/// The tiny reference checkpoint with every projection halved. Its projections double what they are given, so
/// that attention is sharp and any rounding grows from layer to layer; halved they are as those of
/// synth/weights.cc.
class CalmCheckpoint : public CheckpointCopy {
 public:
  CalmCheckpoint() {
    edit_tensors([](std::vector<Tensor>& tensors) {
      for (Tensor& tensor : tensors) {
        const bool table = tensor.name.find("embed_tokens") != std::string::npos ||
                           tensor.name.find("position_embedding") != std::string::npos ||
                           tensor.name.starts_with("lm_head");
        if (tensor.shape.size() >= 2 && !table) scale_rows(tensor, 0.5F, [](std::size_t) { return true; });
      }
    });
  }
};

}  // namespace fovea::test
