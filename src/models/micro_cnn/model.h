#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "image/image.h"
#include "models/micro_cnn/config.h"
#include "models/micro_cnn/float_network.h"
#include "models/micro_cnn/integer_network.h"

namespace fovea::models::micro_cnn {

/// What a network says of a picture; classes in the order of Config::labels.
struct Prediction {
  std::vector<float> logits;
  std::vector<float> probabilities;  ///< softmax of the logits divided by the configuration's temperature
  std::size_t top = 0;               ///< the most likely class, the first of equals
};

/// A micro CNN, float or quantised as its checkpoint is. Immutable: any number of threads may ask it.
class Model {
 public:
  /// Loads a checkpoint directory. Errors: kNotFound, kIo, kInvalidModel (naming file, tensor or key, and
  /// what was expected).
  static Result<std::unique_ptr<const Model>> load(const std::filesystem::path& directory);

  /// Prepares the picture (preprocess.h) and runs the network. `image` must have pixels.
  [[nodiscard]] Prediction predict(const image::Image& image) const;
  /// Of a prepared picture, [image_size, image_size, 3].
  [[nodiscard]] Prediction predict_prepared(std::span<const std::uint8_t> picture) const;

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] std::vector<Layer> layers() const { return layers_of(config_); }
  [[nodiscard]] std::uintmax_t weight_bytes() const { return weight_bytes_; }  ///< of all tensors
  /// The network itself, or null where it is of the other kind.
  [[nodiscard]] const FloatNetwork* float_network() const { return std::get_if<FloatNetwork>(&network_); }
  [[nodiscard]] const IntegerNetwork* integer_network() const {
    return std::get_if<IntegerNetwork>(&network_);
  }

 private:
  Model(Config config, std::variant<FloatNetwork, IntegerNetwork> network, std::uintmax_t weight_bytes)
      : config_(std::move(config)), network_(std::move(network)), weight_bytes_(weight_bytes) {}

  Config config_;
  std::variant<FloatNetwork, IntegerNetwork> network_;
  std::uintmax_t weight_bytes_;
};

}  // namespace fovea::models::micro_cnn
