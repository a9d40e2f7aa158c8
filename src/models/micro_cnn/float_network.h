#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/micro_cnn/folded.h"

namespace fovea::models::micro_cnn {

/// A network in float. Immutable: any number of threads may run it.
///
/// Activations are [size, size, channels rounded up to lanes] (padded_channels), the extra ones zero, so that
/// products run along output channels without remainders.
class FloatNetwork {
 public:
  explicit FloatNetwork(std::vector<FoldedLayer> layers);

  /// Sees what each layer takes and gives, both padded as above; the input of the first is the picture.
  using Observer = std::function<void(std::size_t layer, const float* in, const float* out)>;

  /// The logits of a prepared picture, [image_size, image_size, 3] (preprocess.h).
  [[nodiscard]] std::vector<float> run(std::span<const std::uint8_t> picture,
                                       const Observer& observer = {}) const;

  [[nodiscard]] const std::vector<FoldedLayer>& layers() const { return layers_; }

 private:
  /// A product's weights as they are read: [fan_in, outputs rounded up].
  struct Packed {
    std::size_t lanes = 0;
    std::vector<float> weights;
    std::vector<float> bias;
  };
  static Packed pack(const FloatProduct& product);
  void run_layer(std::size_t index, const std::vector<float>& in, std::vector<float>& out) const;

  std::vector<FoldedLayer> layers_;
  std::vector<Packed> packed_;  ///< of each layer's product
};

/// How many floats a pixel of so many channels takes.
std::size_t padded_channels(std::size_t channels);

}  // namespace fovea::models::micro_cnn
