#include "models/micro_cnn/folded.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstring>
#include <utility>

namespace fovea::models::micro_cnn {
namespace {

class Reader {
 public:
  Reader(const tensor::SafeTensors& checkpoint, const std::string& where)
      : checkpoint_(checkpoint), where_(where) {}

  [[nodiscard]] Result<std::vector<float>> read(const std::string& name,
                                                const std::vector<std::size_t>& shape) const {
    const tensor::StoredTensor* stored = checkpoint_.find(name);
    if (stored == nullptr) return fail(ErrorCode::kInvalidModel, where_ + ": no tensor " + name);
    if (stored->dtype != tensor::DType::kF32 || stored->shape != shape) {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("{}: {} is {} {}, expected F32 {}", where_, name,
                              tensor::dtype_name(stored->dtype), stored->shape, shape));
    }
    std::vector<float> values(stored->elements());
    std::memcpy(values.data(), stored->bytes.data(), stored->bytes.size());
    for (const float value : values) {
      if (!std::isfinite(value)) {
        return fail(ErrorCode::kInvalidModel,
                    fmt::format("{}: {} holds {}, expected finite numbers", where_, name, value));
      }
    }
    return values;
  }

 private:
  const tensor::SafeTensors& checkpoint_;
  const std::string& where_;
};

/// [out, in, 3, 3] to [out, 3, 3, in].
std::vector<float> channels_last(const std::vector<float>& weights, std::size_t outputs, std::size_t inputs) {
  constexpr std::size_t kTaps = 9;
  std::vector<float> moved(weights.size());
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t c = 0; c < inputs; ++c) {
      for (std::size_t tap = 0; tap < kTaps; ++tap) {
        moved[(o * kTaps + tap) * inputs + c] = weights[(o * inputs + c) * kTaps + tap];
      }
    }
  }
  return moved;
}

/// y = (x - mean) / sqrt(variance + eps) * weight + bias, as a scale and an offset a channel.
Result<void> fold_norm(const Reader& reader, const Layer& layer, float eps, FloatProduct& product) {
  const std::vector<std::size_t> shape = {layer.out_channels};
  FOVEA_TRY(const auto weight, reader.read(layer.norm + ".weight", shape));
  FOVEA_TRY(const auto bias, reader.read(layer.norm + ".bias", shape));
  FOVEA_TRY(const auto mean, reader.read(layer.norm + ".running_mean", shape));
  FOVEA_TRY(const auto variance, reader.read(layer.norm + ".running_var", shape));
  for (std::size_t o = 0; o < layer.out_channels; ++o) {
    if (variance[o] < 0.0F) {
      return fail(
          ErrorCode::kInvalidModel,
          fmt::format("{}.running_var holds {}, expected no negative variance", layer.norm, variance[o]));
    }
    const double scale = weight[o] / std::sqrt(static_cast<double>(variance[o]) + eps);
    for (std::size_t k = 0; k < product.fan_in; ++k) {
      float& value = product.weights[o * product.fan_in + k];
      value = static_cast<float>(value * scale);
    }
    product.bias[o] = static_cast<float>(bias[o] - mean[o] * scale);
  }
  return {};
}

Result<FloatProduct> read_product(const Reader& reader, const std::string& name, std::size_t outputs,
                                  std::size_t fan_in, const std::vector<std::size_t>& shape) {
  FloatProduct product{.outputs = outputs, .fan_in = fan_in, .weights = {}, .bias = {}};
  FOVEA_TRY(product.weights, reader.read(name + ".weight", shape));
  product.bias.assign(outputs, 0.0F);
  return product;
}

Result<void> read_layer(const Reader& reader, float eps, FoldedLayer& folded) {
  const Layer& layer = folded.layer;
  const std::vector<std::size_t> shape = weight_shape(layer);
  if (layer.kind == LayerKind::kSqueezeExcite) {
    const std::size_t squeeze = layer.squeeze_channels;
    FOVEA_TRY(folded.product, read_product(reader, layer.name + ".0", squeeze, layer.in_channels, shape));
    FOVEA_TRY(folded.excite, read_product(reader, layer.name + ".2", layer.in_channels, squeeze,
                                          {layer.in_channels, squeeze}));
    return {};
  }
  FOVEA_TRY(folded.product, read_product(reader, layer.name, layer.out_channels, layer.fan_in(), shape));
  if (layer.kind == LayerKind::kConvolution) {
    folded.product.weights = channels_last(folded.product.weights, layer.out_channels, layer.in_channels);
  }
  if (!layer.norm.empty()) return fold_norm(reader, layer, eps, folded.product);
  FOVEA_TRY(folded.product.bias, reader.read(layer.name + ".bias", {layer.out_channels}));
  return {};
}

}  // namespace

std::vector<std::size_t> weight_shape(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::kConvolution:
      return {layer.out_channels, layer.in_channels, 3, 3};
    case LayerKind::kDepthwise:
      return {layer.out_channels, 1, 3, 3};
    case LayerKind::kPointwise:
      return {layer.out_channels, layer.in_channels, 1, 1};
    case LayerKind::kSqueezeExcite:
      return {layer.squeeze_channels, layer.in_channels};
    case LayerKind::kLinear:
      return {layer.out_channels, layer.in_channels};
    case LayerKind::kMaxPool:
    case LayerKind::kAveragePool:
      break;
  }
  return {};
}

Result<std::vector<FoldedLayer>> load_folded(const tensor::SafeTensors& checkpoint, const Config& config,
                                             const std::string& where) {
  const Reader reader(checkpoint, where);
  std::vector<FoldedLayer> network;
  for (Layer& layer : layers_of(config)) {
    network.push_back({.layer = std::move(layer), .product = {}, .excite = {}});
    if (network.back().layer.has_weights()) {
      FOVEA_CHECK_OK(read_layer(reader, config.norm_eps, network.back()));
    }
  }
  return network;
}

}  // namespace fovea::models::micro_cnn
