#include "models/micro_cnn/integer_network.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace fovea::models::micro_cnn {
namespace {

using Values = std::vector<std::int32_t>;

/// A sum as an activation: what is below zero is zero where negative ones do not exist.
std::int32_t to_activation(std::int32_t sum, const Rescale& factor, bool is_signed) {
  if (is_signed) return rescale(sum, factor, kMostSigned);
  return sum <= 0 ? 0 : rescale(sum, factor, kMostUnsigned);
}

/// The inputs of a product, 16 bits each: all activations and means fit, and processors multiply them by
/// eights.
using Patch = std::vector<std::int16_t>;

void narrow(std::span<const std::int32_t> from, std::int16_t* to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<std::int16_t>(from[i]);
}

/// The sums of all outputs, bias included.
void multiply(const IntegerProduct& product, const Patch& in, Values& sums) {
  for (std::size_t o = 0; o < product.outputs; ++o) {
    const std::int8_t* weights = product.weights.data() + o * product.fan_in;
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < product.fan_in; ++k) sum += std::int16_t{weights[k]} * in[k];
    sums[o] = product.bias[o] + sum;
  }
}

/// Calls visit(tap, input pixel) for the taps of a 3x3 kernel that lie inside the picture.
template <class Visit>
void for_each_tap(const Layer& layer, std::size_t row, std::size_t column, const Visit& visit) {
  for (std::size_t tap = 0; tap < 9; ++tap) {
    const std::size_t y = row * layer.stride + tap / 3;  // one too many: the padding
    const std::size_t x = column * layer.stride + tap % 3;
    if (y < 1 || y > layer.in_size || x < 1 || x > layer.in_size) continue;
    visit(tap, (y - 1) * layer.in_size + x - 1);
  }
}

Values convolution(const IntegerLayer& self, std::span<const std::int32_t> in) {
  const Layer& layer = self.layer;
  const IntegerProduct& product = self.product;
  Values out(layer.out_elements());
  Patch patch(product.fan_in);
  Values sums(product.outputs);
  for (std::size_t pixel = 0; pixel < layer.out_size * layer.out_size; ++pixel) {
    std::ranges::fill(patch, 0);
    for_each_tap(layer, pixel / layer.out_size, pixel % layer.out_size, [&](std::size_t tap, std::size_t at) {
      narrow(in.subspan(at * layer.in_channels, layer.in_channels), patch.data() + tap * layer.in_channels);
    });
    multiply(product, patch, sums);
    for (std::size_t o = 0; o < layer.out_channels; ++o) {
      out[pixel * layer.out_channels + o] = to_activation(sums[o], product.rescale[o], self.signed_output);
    }
  }
  return out;
}

Values depthwise(const IntegerLayer& self, std::span<const std::int32_t> in) {
  const Layer& layer = self.layer;
  const IntegerProduct& product = self.product;
  Values out(layer.out_elements());
  Values sums(layer.out_channels);
  for (std::size_t pixel = 0; pixel < layer.out_size * layer.out_size; ++pixel) {
    sums = product.bias;
    for_each_tap(layer, pixel / layer.out_size, pixel % layer.out_size, [&](std::size_t tap, std::size_t at) {
      for (std::size_t c = 0; c < layer.out_channels; ++c) {
        sums[c] += in[at * layer.in_channels + c] * product.weights[c * 9 + tap];
      }
    });
    for (std::size_t c = 0; c < layer.out_channels; ++c) {
      out[pixel * layer.out_channels + c] = to_activation(sums[c], product.rescale[c], self.signed_output);
    }
  }
  return out;
}

Values pointwise(const IntegerLayer& self, std::span<const std::int32_t> in) {
  const Layer& layer = self.layer;
  const bool logits = layer.kind == LayerKind::kLinear;
  Values out(layer.out_elements());
  Patch patch(layer.in_channels);
  Values sums(layer.out_channels);
  for (std::size_t pixel = 0; pixel < layer.out_size * layer.out_size; ++pixel) {
    narrow(in.subspan(pixel * layer.in_channels, layer.in_channels), patch.data());
    multiply(self.product, patch, sums);
    for (std::size_t o = 0; o < layer.out_channels; ++o) {
      const Rescale& factor = self.product.rescale[o];
      out[pixel * layer.out_channels + o] =
          logits ? rescale(sums[o], factor, kMostLogit) : to_activation(sums[o], factor, self.signed_output);
    }
  }
  return out;
}

Values squeeze_excite(const IntegerLayer& self, std::span<const std::int32_t> in) {
  const std::size_t channels = self.layer.in_channels;
  const Values means = channel_means(in, channels);
  Values squeezed = product_sums(self.product, means);
  for (std::size_t s = 0; s < squeezed.size(); ++s) {
    squeezed[s] = to_activation(squeezed[s], self.product.rescale[s], false);
  }
  Values factors = product_sums(self.excite, squeezed);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::int32_t argument = rescale(factors[c], self.excite.rescale[c], kMostSigned);
    const std::int32_t place = argument + 128;
    const std::int32_t gate = gate_table()[static_cast<std::size_t>(place)];
    factors[c] = rescale(gate, self.gate, kMostGateFactor);
  }
  const std::int32_t most = self.signed_output ? kMostSigned : kMostUnsigned;
  Values out(in.size());
  for (std::size_t i = 0; i < in.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::int32_t value = in[i + c];
      const std::int32_t magnitude = value < 0 ? -value : value;
      const std::int32_t scaled = std::min((magnitude * factors[c] + (1 << 15)) >> 16, most);
      out[i + c] = value < 0 ? -scaled : scaled;
    }
  }
  return out;
}

Values max_pool(const Layer& layer, std::span<const std::int32_t> in) {
  Values out(layer.out_elements());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t pixel = i / layer.in_channels;
    const std::size_t corner = 2 * (pixel / layer.out_size) * layer.in_size + 2 * (pixel % layer.out_size);
    const std::int32_t* at = in.data() + corner * layer.in_channels + i % layer.in_channels;
    const std::size_t line = layer.in_size * layer.in_channels;
    out[i] =
        std::max(std::max(at[0], at[layer.in_channels]), std::max(at[line], at[line + layer.in_channels]));
  }
  return out;
}

}  // namespace

std::vector<std::int32_t> product_sums(const IntegerProduct& product, std::span<const std::int32_t> in) {
  Patch patch(product.fan_in);
  narrow(in, patch.data());
  Values sums(product.outputs);
  multiply(product, patch, sums);
  return sums;
}

std::vector<std::int32_t> channel_means(std::span<const std::int32_t> in, std::size_t channels) {
  Values sums(channels, 0);
  for (std::size_t i = 0; i < in.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) sums[c] += in[i + c];
  }
  const auto pixels = static_cast<std::int32_t>(in.size() / channels);
  assert(pixels > 0);
  for (std::int32_t& sum : sums) sum = rounded_mean(sum, pixels);
  return sums;
}

std::vector<std::int32_t> run_layer(const IntegerLayer& layer, std::span<const std::int32_t> in) {
  assert(in.size() == layer.layer.in_elements());
  switch (layer.layer.kind) {
    case LayerKind::kConvolution:
      return convolution(layer, in);
    case LayerKind::kDepthwise:
      return depthwise(layer, in);
    case LayerKind::kSqueezeExcite:
      return squeeze_excite(layer, in);
    case LayerKind::kMaxPool:
      return max_pool(layer.layer, in);
    case LayerKind::kAveragePool:
      return channel_means(in, layer.layer.in_channels);
    case LayerKind::kPointwise:
    case LayerKind::kLinear:
      break;
  }
  return pointwise(layer, in);
}

void assign_signs(std::vector<IntegerLayer>& layers) {
  bool is_signed = true;  // the picture is p - 128
  for (IntegerLayer& layer : layers) {
    layer.signed_input = is_signed;
    const bool product = layer.layer.has_weights() && layer.layer.kind != LayerKind::kSqueezeExcite;
    if (product) is_signed = layer.layer.activation == Activation::kNone;
    layer.signed_output = is_signed;
  }
}

IntegerNetwork::IntegerNetwork(std::vector<IntegerLayer> layers) : layers_(std::move(layers)) {}

std::vector<std::int32_t> IntegerNetwork::run(std::span<const std::uint8_t> picture,
                                              const Observer& observer) const {
  Values in(picture.size());
  for (std::size_t i = 0; i < picture.size(); ++i) in[i] = std::int32_t{picture[i]} - 128;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Values out = run_layer(layers_[i], in);
    if (observer) observer(i, in, out);
    in = std::move(out);
  }
  return in;
}

}  // namespace fovea::models::micro_cnn
