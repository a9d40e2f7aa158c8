#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace fovea::synth {

/// The sizes in which checkpoints of the family differ.
struct Preset {
  const char* name;
  std::size_t layers, hidden, intermediate, heads, key_value_heads;
};

inline constexpr std::array<Preset, 2> kPresets{
    {{"smolvlm-500m", 32, 960, 2560, 15, 5}, {"smolvlm-256m", 30, 576, 1536, 9, 3}}};

// The vision tower, the tile and the vocabulary are the same in both.
inline constexpr std::size_t kHeadDim = 64, kVocab = 49'280;
inline constexpr std::size_t kVisionLayers = 12, kVisionHidden = 768, kVisionIntermediate = 3072;
inline constexpr std::size_t kPatch = 16, kPatches = 1024, kScaleFactor = 4;

/// Channels that get large activations.
inline constexpr std::size_t kOutlierChannels = 6;

/// One tensor that is to be written.
struct TensorPlan {
  std::string name;
  std::vector<std::size_t> shape;
  float deviation;          ///< of its values
  float mean = 0.0F;        ///< 1 for the weights of norms
  bool large_rows = false;  ///< the rows of kOutlierChannels channels are enlarged

  [[nodiscard]] std::size_t elements() const;
};

/// All tensors of a checkpoint, ordered by name. `outliers` marks the projections whose output channels are
/// enlarged: an early one into the residual stream of each tower, so that the channel stays large in every
/// later layer and through its norms.
std::vector<TensorPlan> plan_tensors(const Preset& preset, bool outliers);

/// The values of one tensor; the same for the same seed.
std::vector<tensor::BFloat16> fill_tensor(const TensorPlan& plan, std::uint64_t seed);

}  // namespace fovea::synth
