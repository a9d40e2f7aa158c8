#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/micro_cnn/layers.h"
#include "tensor/safetensors.h"

namespace fovea::models::micro_cnn {

/// The weights of a product in float, channels last: [outputs, fan_in], a 3x3 kernel's inputs in the order
/// row, column, channel.
struct FloatProduct {
  std::size_t outputs = 0;
  std::size_t fan_in = 0;
  std::vector<float> weights;
  std::vector<float> bias;  ///< [outputs]
};

/// A layer and its weights, the batch norm that follows folded into them. A squeeze-and-excite has two
/// products, squeeze and excite, without biases (zeros).
struct FoldedLayer {
  Layer layer;
  FloatProduct product;
  FloatProduct excite;
};

/// Reads the float weights of a checkpoint. Errors (kInvalidModel): a tensor that is missing, is not F32, has
/// another shape than the configuration says, or holds what is not finite.
Result<std::vector<FoldedLayer>> load_folded(const tensor::SafeTensors& checkpoint, const Config& config,
                                             const std::string& where);

/// The shape of a layer's weights in a float checkpoint, as PyTorch has it: [out, in, 3, 3] and so on.
/// A squeeze-and-excite's are [squeeze_channels, channels] (`.0`) and the transpose (`.2`).
std::vector<std::size_t> weight_shape(const Layer& layer);

}  // namespace fovea::models::micro_cnn
