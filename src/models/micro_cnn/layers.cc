#include "models/micro_cnn/layers.h"

#include <fmt/format.h>

namespace fovea::models::micro_cnn {
namespace {

constexpr std::size_t kTaps = 9;  // of a 3x3 kernel

/// Appends layers that each take what the one before gave.
class Builder {
 public:
  explicit Builder(const Config& config)
      : config_(config), size_(config.image_size), channels_(kInputChannels) {}

  void add(LayerKind kind, std::string name, std::string norm, std::size_t out_channels, std::size_t stride,
           Activation activation) {
    Layer layer{.kind = kind,
                .name = std::move(name),
                .norm = std::move(norm),
                .in_channels = channels_,
                .out_channels = out_channels,
                .in_size = size_,
                .stride = stride,
                .activation = activation};
    // A padding of 1 keeps the size of a 3x3 kernel; a stride of 2 then rounds up.
    layer.out_size = (size_ + stride - 1) / stride;
    if (kind == LayerKind::kMaxPool) layer.out_size = size_ / 2;
    if (kind == LayerKind::kAveragePool) layer.out_size = 1;
    append(std::move(layer));
  }
  void squeeze_excite(const std::string& block, std::size_t index) {
    if (config_.squeeze_channels.empty()) return;
    append({.kind = LayerKind::kSqueezeExcite,
            .name = block + ".se",
            .norm = "",
            .in_channels = channels_,
            .out_channels = channels_,
            .in_size = size_,
            .out_size = size_,
            .squeeze_channels = config_.squeeze_channels[index],
            .activation = Activation::kNone});
  }
  void max_pool(const std::string& block) {
    add(LayerKind::kMaxPool, block + ".pool", "", channels_, 2, Activation::kNone);
  }
  [[nodiscard]] std::size_t channels() const { return channels_; }
  [[nodiscard]] std::vector<Layer> take() { return std::move(layers_); }

 private:
  void append(Layer layer) {
    size_ = layer.out_size;
    channels_ = layer.out_channels;
    layers_.push_back(std::move(layer));
  }

  const Config& config_;
  std::size_t size_;
  std::size_t channels_;
  std::vector<Layer> layers_;
};

}  // namespace

std::size_t Layer::fan_in() const {
  switch (kind) {
    case LayerKind::kConvolution:
      return kTaps * in_channels;
    case LayerKind::kDepthwise:
      return kTaps;
    case LayerKind::kPointwise:
    case LayerKind::kLinear:
    case LayerKind::kSqueezeExcite:
      return in_channels;
    case LayerKind::kMaxPool:
    case LayerKind::kAveragePool:
      break;
  }
  return 0;
}

std::size_t Layer::parameters() const {
  if (!has_weights()) return 0;
  if (kind == LayerKind::kSqueezeExcite) return 2 * in_channels * squeeze_channels;
  return out_channels * fan_in() + (norm.empty() ? 1 : 2) * out_channels;
}

std::size_t Layer::macs() const {
  if (kind == LayerKind::kSqueezeExcite) return 2 * in_channels * squeeze_channels;
  return out_elements() * fan_in();
}

std::vector<Layer> layers_of(const Config& config) {
  const Activation activation = config.activation;
  Builder network(config);
  network.add(LayerKind::kConvolution, "block1.0", "block1.1", config.stem_channels, 2, activation);
  network.squeeze_excite("block1", 0);
  network.max_pool("block1");
  for (std::size_t i = 0; i < config.block_channels.size(); ++i) {
    const std::string block = fmt::format("block{}", i + 2);
    const std::size_t out = config.block_channels[i];
    if (config.block == Block::kSeparable) {
      network.add(LayerKind::kDepthwise, block + ".0", block + ".1", network.channels(), 1, activation);
      network.add(LayerKind::kPointwise, block + ".3", block + ".4", out, 1, activation);
      network.squeeze_excite(block, i + 1);
      network.max_pool(block);
    } else {
      // Stride 2 and another number of channels: there is nothing to add the block's input to.
      network.add(LayerKind::kPointwise, block + ".0", block + ".1", config.hidden_channels[i], 1,
                  activation);
      network.add(LayerKind::kDepthwise, block + ".3", block + ".4", config.hidden_channels[i], 2,
                  activation);
      network.add(LayerKind::kPointwise, block + ".6", block + ".7", out, 1, Activation::kNone);
      network.squeeze_excite(block, i + 1);
    }
  }
  network.add(LayerKind::kAveragePool, "pool", "", network.channels(), 1, Activation::kNone);
  network.add(LayerKind::kLinear, "classifier.2", "", config.labels.size(), 1, Activation::kNone);
  return network.take();
}

std::size_t count_parameters(const std::vector<Layer>& layers) {
  std::size_t total = 0;
  for (const Layer& layer : layers) total += layer.parameters();
  return total;
}

std::size_t count_macs(const std::vector<Layer>& layers) {
  std::size_t total = 0;
  for (const Layer& layer : layers) total += layer.macs();
  return total;
}

const char* layer_kind_name(LayerKind kind) {
  switch (kind) {
    case LayerKind::kConvolution:
      return "convolution 3x3";
    case LayerKind::kDepthwise:
      return "depthwise 3x3";
    case LayerKind::kPointwise:
      return "pointwise";
    case LayerKind::kSqueezeExcite:
      return "squeeze-excite";
    case LayerKind::kMaxPool:
      return "max pool";
    case LayerKind::kAveragePool:
      return "average pool";
    case LayerKind::kLinear:
      break;
  }
  return "linear";
}

}  // namespace fovea::models::micro_cnn
