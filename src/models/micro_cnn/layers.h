#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "models/micro_cnn/config.h"

namespace fovea::models::micro_cnn {

enum class LayerKind {
  kConvolution,    ///< 3x3 over all input channels, padding 1
  kDepthwise,      ///< 3x3 over one channel each, padding 1
  kPointwise,      ///< 1x1
  kSqueezeExcite,  ///< a gate for each channel from the channels' means; Hu et al. 2018
  kMaxPool,        ///< 2x2, stride 2; an odd last row or column is left out
  kAveragePool,    ///< over the whole picture
  kLinear,         ///< the classifier
};

/// One step of a network: square pictures with channels last, [in_size, in_size, in_channels] to
/// [out_size, out_size, out_channels]. Batch norms belong to the product before them.
struct Layer {
  LayerKind kind = LayerKind::kConvolution;
  std::string name;  ///< of the weights in the checkpoint: `block1.0`; for pools a name of their own
  std::string norm;  ///< of the batch norm that follows: `block1.1`; empty: none, but a bias
  std::size_t in_channels = 0;
  std::size_t out_channels = 0;
  std::size_t in_size = 0;
  std::size_t out_size = 0;
  std::size_t stride = 1;
  std::size_t squeeze_channels = 0;  ///< kSqueezeExcite: the narrow middle
  Activation activation = Activation::kNone;

  [[nodiscard]] bool has_weights() const {
    return kind != LayerKind::kMaxPool && kind != LayerKind::kAveragePool;
  }
  /// Inputs of one output of a product: 9 x in_channels of a convolution, 9 of a depthwise one.
  [[nodiscard]] std::size_t fan_in() const;
  [[nodiscard]] std::size_t out_elements() const { return out_size * out_size * out_channels; }
  [[nodiscard]] std::size_t in_elements() const { return in_size * in_size * in_channels; }
  /// Trained parameters as PyTorch counts them: weights, biases, and two a channel of a batch norm.
  [[nodiscard]] std::size_t parameters() const;
  /// Multiply-accumulates of the products; additions of pools and the scaling by a gate are not counted.
  [[nodiscard]] std::size_t macs() const;
};

/// The network of a configuration, in the order of computation.
std::vector<Layer> layers_of(const Config& config);

std::size_t count_parameters(const std::vector<Layer>& layers);
std::size_t count_macs(const std::vector<Layer>& layers);

/// "convolution 3x3", "max pool", …
const char* layer_kind_name(LayerKind kind);

}  // namespace fovea::models::micro_cnn
