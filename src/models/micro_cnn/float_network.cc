#include "models/micro_cnn/float_network.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <utility>

namespace fovea::models::micro_cnn {
namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kPixels = 4;  // computed side by side
constexpr float kOffset = 128.0F;

// Four floats are a register of every 64-bit processor; the compiler has no wider ones to use here.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

Lanes load(const float* at) {
  Lanes value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void store(float* at, Lanes value) {
  std::memcpy(at, &value, sizeof value);
}

Lanes activate(Lanes x, Activation activation) {
  if (activation == Activation::kNone) return x;
  for (std::size_t l = 0; l < kLanes; ++l) x[l] = std::max(x[l], 0.0F);
  if (activation == Activation::kRelu6) {
    for (std::size_t l = 0; l < kLanes; ++l) x[l] = std::min(x[l], 6.0F);
  }
  return x;
}

/// Where a product finds the inputs of one pixel: `segments` stretches of `length` floats, `stride` apart, so
/// that a 3x3 kernel over channels last is three stretches and a pointwise one is one.
struct Inputs {
  std::size_t segments = 1;
  std::size_t length = 0;
  std::size_t stride = 0;
  std::size_t pixel_stride = 0;
};

/// `Count` neighbouring pixels times Width x kLanes outputs.
template <std::size_t Count, std::size_t Width>
void product_tile(const float* x, const Inputs& inputs, const float* weights, const float* bias,
                  std::size_t lanes, Activation activation, float* y) {
  Lanes sums[Count][Width];
  for (std::size_t p = 0; p < Count; ++p) {
    for (std::size_t w = 0; w < Width; ++w) sums[p][w] = load(bias + w * kLanes);
  }
  for (std::size_t s = 0; s < inputs.segments; ++s) {
    for (std::size_t k = 0; k < inputs.length; ++k) {
      Lanes column[Width];
      for (std::size_t w = 0; w < Width; ++w) column[w] = load(weights + w * kLanes);
      weights += lanes;
      for (std::size_t p = 0; p < Count; ++p) {
        const float value = x[p * inputs.pixel_stride + s * inputs.stride + k];
        for (std::size_t w = 0; w < Width; ++w) sums[p][w] += column[w] * value;
      }
    }
  }
  for (std::size_t p = 0; p < Count; ++p) {
    for (std::size_t w = 0; w < Width; ++w)
      store(y + p * lanes + w * kLanes, activate(sums[p][w], activation));
  }
}

template <std::size_t Count>
void product_pixels(const float* x, const Inputs& inputs, const float* weights, const float* bias,
                    std::size_t lanes, Activation activation, float* y) {
  std::size_t o = 0;
  for (; o + 2 * kLanes <= lanes; o += 2 * kLanes) {
    product_tile<Count, 2>(x, inputs, weights + o, bias + o, lanes, activation, y + o);
  }
  if (o < lanes) product_tile<Count, 1>(x, inputs, weights + o, bias + o, lanes, activation, y + o);
}

/// `count` pixels in a row; y is [count, lanes].
void product_row(const float* x, std::size_t count, const Inputs& inputs, const float* weights,
                 const float* bias, std::size_t lanes, Activation activation, float* y) {
  std::size_t p = 0;
  for (; p + kPixels <= count; p += kPixels) {
    product_pixels<kPixels>(x + p * inputs.pixel_stride, inputs, weights, bias, lanes, activation,
                            y + p * lanes);
  }
  for (; p < count; ++p) {
    product_pixels<1>(x + p * inputs.pixel_stride, inputs, weights, bias, lanes, activation, y + p * lanes);
  }
}

/// The picture with a border of one zero pixel, for kernels of 3x3.
std::vector<float> with_border(const float* x, std::size_t size, std::size_t channels) {
  const std::size_t line = (size + 2) * channels;
  std::vector<float> bordered(line * (size + 2), 0.0F);
  for (std::size_t y = 0; y < size; ++y) {
    std::copy_n(x + y * size * channels, size * channels, bordered.data() + (y + 1) * line + channels);
  }
  return bordered;
}

void depthwise(const Layer& layer, const float* x, const float* weights, const float* bias,
               std::size_t channels, float* y) {
  const std::vector<float> bordered = with_border(x, layer.in_size, channels);
  const std::size_t line = (layer.in_size + 2) * channels;
  for (std::size_t row = 0; row < layer.out_size; ++row) {
    for (std::size_t column = 0; column < layer.out_size; ++column) {
      const float* corner = bordered.data() + row * layer.stride * line + column * layer.stride * channels;
      float* out = y + (row * layer.out_size + column) * channels;
      for (std::size_t c = 0; c < channels; c += kLanes) {
        Lanes sum = load(bias + c);
        for (std::size_t tap = 0; tap < 9; ++tap) {
          const float* at = corner + tap / 3 * line + tap % 3 * channels + c;
          sum += load(at) * load(weights + tap * channels + c);
        }
        store(out + c, activate(sum, layer.activation));
      }
    }
  }
}

void max_pool(const Layer& layer, const float* x, std::size_t channels, float* y) {
  const std::size_t line = layer.in_size * channels;
  for (std::size_t row = 0; row < layer.out_size; ++row) {
    for (std::size_t column = 0; column < layer.out_size; ++column) {
      const float* corner = x + 2 * row * line + 2 * column * channels;
      float* out = y + (row * layer.out_size + column) * channels;
      for (std::size_t c = 0; c < channels; ++c) {
        out[c] = std::max(std::max(corner[c], corner[channels + c]),
                          std::max(corner[line + c], corner[line + channels + c]));
      }
    }
  }
}

std::vector<float> channel_means(const float* x, std::size_t pixels, std::size_t channels) {
  std::vector<float> means(channels, 0.0F);
  for (std::size_t p = 0; p < pixels; ++p) {
    for (std::size_t c = 0; c < channels; ++c) means[c] += x[p * channels + c];
  }
  for (float& mean : means) mean /= static_cast<float>(pixels);
  return means;
}

std::vector<float> multiply(const FloatProduct& product, const std::vector<float>& x) {
  std::vector<float> y(product.bias);
  for (std::size_t o = 0; o < product.outputs; ++o) {
    for (std::size_t k = 0; k < product.fan_in; ++k) y[o] += product.weights[o * product.fan_in + k] * x[k];
  }
  return y;
}

void squeeze_excite(const FoldedLayer& folded, const float* x, std::size_t channels, float* y) {
  const std::size_t pixels = folded.layer.in_size * folded.layer.in_size;
  std::vector<float> squeezed = multiply(folded.product, channel_means(x, pixels, channels));
  for (float& value : squeezed) value = std::max(value, 0.0F);
  std::vector<float> gates = multiply(folded.excite, squeezed);
  for (float& gate : gates) gate = 1.0F / (1.0F + std::exp(-gate));
  gates.resize(channels, 0.0F);
  for (std::size_t p = 0; p < pixels; ++p) {
    for (std::size_t c = 0; c < channels; ++c) y[p * channels + c] = x[p * channels + c] * gates[c];
  }
}

}  // namespace

std::size_t padded_channels(std::size_t channels) {
  return (channels + kLanes - 1) / kLanes * kLanes;
}

FloatNetwork::Packed FloatNetwork::pack(const FloatProduct& product) {
  Packed packed{.lanes = padded_channels(product.outputs), .weights = {}, .bias = product.bias};
  packed.weights.assign(product.fan_in * packed.lanes, 0.0F);
  packed.bias.resize(packed.lanes, 0.0F);
  for (std::size_t o = 0; o < product.outputs; ++o) {
    for (std::size_t k = 0; k < product.fan_in; ++k) {
      packed.weights[k * packed.lanes + o] = product.weights[o * product.fan_in + k];
    }
  }
  return packed;
}

FloatNetwork::FloatNetwork(std::vector<FoldedLayer> layers) : layers_(std::move(layers)) {
  for (const FoldedLayer& folded : layers_) packed_.push_back(pack(folded.product));
}

void FloatNetwork::run_layer(std::size_t index, const std::vector<float>& in, std::vector<float>& out) const {
  const FoldedLayer& folded = layers_[index];
  const Layer& layer = folded.layer;
  const Packed& packed = packed_[index];
  const std::size_t channels = padded_channels(layer.in_channels);
  const std::size_t lanes = padded_channels(layer.out_channels);
  const std::size_t pixels = layer.in_size * layer.in_size;
  out.assign(layer.out_size * layer.out_size * lanes, 0.0F);
  switch (layer.kind) {
    case LayerKind::kConvolution: {
      // The picture's three channels lie close, without padding, in a border already (run).
      const std::size_t line = (layer.in_size + 2) * layer.in_channels;
      const Inputs inputs{.segments = 3,
                          .length = 3 * layer.in_channels,
                          .stride = line,
                          .pixel_stride = layer.stride * layer.in_channels};
      for (std::size_t row = 0; row < layer.out_size; ++row) {
        product_row(in.data() + row * layer.stride * line, layer.out_size, inputs, packed.weights.data(),
                    packed.bias.data(), lanes, layer.activation, out.data() + row * layer.out_size * lanes);
      }
      return;
    }
    case LayerKind::kDepthwise:
      return depthwise(layer, in.data(), packed.weights.data(), packed.bias.data(), channels, out.data());
    case LayerKind::kPointwise:
    case LayerKind::kLinear:
      return product_row(in.data(), pixels, {.length = layer.in_channels, .pixel_stride = channels},
                         packed.weights.data(), packed.bias.data(), lanes, layer.activation, out.data());
    case LayerKind::kSqueezeExcite:
      return squeeze_excite(folded, in.data(), channels, out.data());
    case LayerKind::kMaxPool:
      return max_pool(layer, in.data(), channels, out.data());
    case LayerKind::kAveragePool:
      out = channel_means(in.data(), pixels, channels);
      return;
  }
}

std::vector<float> FloatNetwork::run(std::span<const std::uint8_t> picture, const Observer& observer) const {
  const Layer& stem = layers_.front().layer;
  assert(picture.size() == stem.in_elements());
  std::vector<float> plain(picture.size());
  for (std::size_t i = 0; i < picture.size(); ++i)
    plain[i] = (static_cast<float>(picture[i]) - kOffset) / kOffset;
  std::vector<float> in = with_border(plain.data(), stem.in_size, stem.in_channels);
  std::vector<float> out;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    run_layer(i, in, out);
    if (observer) observer(i, in.data(), out.data());
    in.swap(out);
  }
  in.resize(layers_.back().layer.out_channels);
  return in;
}

}  // namespace fovea::models::micro_cnn
