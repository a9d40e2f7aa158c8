#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/micro_cnn/fixed_point.h"
#include "models/micro_cnn/layers.h"

namespace fovea::models::micro_cnn {

/// The weights of a product in integers, channels last as in FloatProduct.
struct IntegerProduct {
  std::size_t outputs = 0;
  std::size_t fan_in = 0;
  std::vector<std::int8_t> weights;  ///< [outputs, fan_in], within 127 or, int4, within 7
  std::vector<std::int32_t> bias;    ///< [outputs], in the sums' unit; within 2^30
  std::vector<Rescale> rescale;      ///< [outputs], from the sum's unit to the output's
  std::vector<float> weight_scales;  ///< [outputs], for people: computation needs only integers
};

/// A layer in integers. Activations are bytes whose zero is 0: 0 to 255 after a ReLU, -127 to 127 elsewhere.
struct IntegerLayer {
  Layer layer;
  bool signed_input = false;
  bool signed_output = false;
  IntegerProduct product;
  IntegerProduct excite;   ///< kSqueezeExcite: to gates' arguments in 16ths
  Rescale gate;            ///< kSqueezeExcite: from a gate in 2^-15 to a factor in 2^-16 of the output's unit
  float output_scale = 1;  ///< what one step of the output stands for, for people
};

/// A quantised network; every intermediate is defined by docs/micro-cnn.md. Immutable: any number of threads
/// may run it.
class IntegerNetwork {
 public:
  explicit IntegerNetwork(std::vector<IntegerLayer> layers);

  /// Sees what each layer takes and gives, [size, size, channels].
  using Observer = std::function<void(std::size_t layer, std::span<const std::int32_t> in,
                                      std::span<const std::int32_t> out)>;

  /// The logits, in 2^-10, of a prepared picture, [image_size, image_size, 3] (preprocess.h).
  [[nodiscard]] std::vector<std::int32_t> run(std::span<const std::uint8_t> picture,
                                              const Observer& observer = {}) const;

  [[nodiscard]] const std::vector<IntegerLayer>& layers() const { return layers_; }

 private:
  std::vector<IntegerLayer> layers_;
};

/// One layer on its own: in [in_size, in_size, in_channels] to [out_size, out_size, out_channels].
std::vector<std::int32_t> run_layer(const IntegerLayer& layer, std::span<const std::int32_t> in);

/// The means over all pixels in 16ths of the input's unit, [channels].
std::vector<std::int32_t> channel_means(std::span<const std::int32_t> in, std::size_t channels);
/// The sums of a product for one row of inputs, bias included, [outputs].
std::vector<std::int32_t> product_sums(const IntegerProduct& product, std::span<const std::int32_t> in);

/// Sets the signs of all inputs and outputs from the layers' kinds and activations.
void assign_signs(std::vector<IntegerLayer>& layers);

}  // namespace fovea::models::micro_cnn
