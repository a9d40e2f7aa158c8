#include "models/micro_cnn/integer_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <utility>

namespace fovea::models::micro_cnn {
namespace {

using tensor::DType;

constexpr std::int64_t kMostBias = std::int64_t{1} << 30;

/// Two's complement of four bits.
std::int8_t from_nibble(std::uint8_t nibble) {
  return static_cast<std::int8_t>(nibble < 8 ? nibble : nibble - 16);
}

/// The shape that int8 weights are stored in.
std::vector<std::size_t> stored_shape(const Layer& layer, std::size_t outputs, std::size_t fan_in) {
  if (layer.kind == LayerKind::kConvolution) return {outputs, 3, 3, layer.in_channels};
  if (layer.kind == LayerKind::kDepthwise) return {outputs, 3, 3};
  return {outputs, fan_in};
}

class Reader {
 public:
  Reader(const tensor::SafeTensors& checkpoint, WeightType weights, const std::string& where)
      : checkpoint_(checkpoint), weights_(weights), where_(where) {}

  [[nodiscard]] Result<IntegerProduct> product(const Layer& layer, const std::string& name,
                                               std::size_t outputs, std::size_t fan_in) const {
    IntegerProduct product{
        .outputs = outputs, .fan_in = fan_in, .weights = {}, .bias = {}, .rescale = {}, .weight_scales = {}};
    if (weights_ == WeightType::kInt4) {
      FOVEA_TRY(product.weights, int4(name + ".weight_int4", outputs, fan_in));
    } else {
      FOVEA_TRY(product.weights,
                read<std::int8_t>(name + ".weight", DType::kI8, stored_shape(layer, outputs, fan_in),
                                  -kMostSigned, kMostSigned));
    }
    FOVEA_TRY(product.bias,
              read<std::int32_t>(name + ".bias", DType::kI32, {outputs}, -kMostBias, kMostBias));
    FOVEA_TRY(product.rescale, rescales(name + ".multiplier", name + ".shift", outputs));
    FOVEA_TRY(product.weight_scales, scales(name + ".weight_scale", outputs));
    return product;
  }

  [[nodiscard]] Result<std::vector<Rescale>> rescales(const std::string& multiplier, const std::string& shift,
                                                      std::size_t count) const {
    FOVEA_TRY(const auto multipliers,
              read<std::int32_t>(multiplier, DType::kI32, {count}, Rescale::kLeastMultiplier,
                                 std::numeric_limits<std::int32_t>::max()));
    FOVEA_TRY(const auto shifts,
              read<std::uint8_t>(shift, DType::kU8, {count}, Rescale::kLeastShift, Rescale::kMostShift));
    std::vector<Rescale> factors(count);
    for (std::size_t i = 0; i < count; ++i) factors[i] = {.multiplier = multipliers[i], .shift = shifts[i]};
    return factors;
  }

  [[nodiscard]] Result<std::vector<float>> scales(const std::string& name, std::size_t count) const {
    FOVEA_TRY(auto values, typed<float>(name, DType::kF32, {count}));
    for (const float value : values) {
      if (!std::isfinite(value) || !(value > 0.0F)) {
        return bad(fmt::format("{} holds {}, expected finite numbers above 0", name, value));
      }
    }
    return values;
  }

 private:
  [[nodiscard]] std::unexpected<Error> bad(const std::string& reason) const {
    return fail(ErrorCode::kInvalidModel, where_ + ": " + reason);
  }

  template <class T>
  [[nodiscard]] Result<std::vector<T>> typed(const std::string& name, DType dtype,
                                             const std::vector<std::size_t>& shape) const {
    const tensor::StoredTensor* stored = checkpoint_.find(name);
    if (stored == nullptr) return bad("no tensor " + name);
    if (stored->dtype != dtype || stored->shape != shape) {
      return bad(fmt::format("{} is {} {}, expected {} {}", name, tensor::dtype_name(stored->dtype),
                             stored->shape, tensor::dtype_name(dtype), shape));
    }
    std::vector<T> values(stored->elements());
    std::memcpy(values.data(), stored->bytes.data(), stored->bytes.size());
    return values;
  }

  template <class T>
  [[nodiscard]] Result<std::vector<T>> read(const std::string& name, DType dtype,
                                            const std::vector<std::size_t>& shape, std::int64_t least,
                                            std::int64_t most) const {
    FOVEA_TRY(auto values, typed<T>(name, dtype, shape));
    for (const T value : values) {
      if (value < least || value > most) {
        return bad(fmt::format("{} holds {}, expected {} to {}", name, value, least, most));
      }
    }
    return values;
  }

  [[nodiscard]] Result<std::vector<std::int8_t>> int4(const std::string& name, std::size_t outputs,
                                                      std::size_t fan_in) const {
    const std::size_t row = (fan_in + 1) / 2;
    FOVEA_TRY(const auto packed, typed<std::uint8_t>(name, DType::kU8, {outputs, row}));
    std::vector<std::int8_t> weights(outputs * fan_in);
    for (std::size_t o = 0; o < outputs; ++o) {
      for (std::size_t k = 0; k < 2 * row; ++k) {
        const std::uint8_t byte = packed[o * row + k / 2];
        const std::int8_t value = from_nibble(k % 2 == 0 ? byte & 15U : byte >> 4U);
        if (value < -kMostInt4 || (k == fan_in && value != 0)) {
          return bad(fmt::format("{} holds {}, expected -{} to {} and zero at an odd row's end", name, value,
                                 kMostInt4, kMostInt4));
        }
        if (k < fan_in) weights[o * fan_in + k] = value;
      }
    }
    return weights;
  }

  const tensor::SafeTensors& checkpoint_;
  WeightType weights_;
  const std::string& where_;
};

/// Collects tensors and keeps what they refer to.
class Writer {
 public:
  explicit Writer(WeightType weights) : weights_(weights) {}

  void product(const Layer& layer, const std::string& name, const IntegerProduct& product) {
    if (weights_ == WeightType::kInt4) {
      add(name + ".weight_int4", DType::kU8, {product.outputs, (product.fan_in + 1) / 2},
          pack_int4(product.weights, product.outputs, product.fan_in));
    } else {
      add(name + ".weight", DType::kI8, stored_shape(layer, product.outputs, product.fan_in),
          product.weights);
    }
    add(name + ".bias", DType::kI32, {product.outputs}, product.bias);
    rescales(name + ".multiplier", name + ".shift", product.rescale);
    add(name + ".weight_scale", DType::kF32, {product.outputs}, product.weight_scales);
  }

  void rescales(const std::string& multiplier, const std::string& shift,
                const std::vector<Rescale>& factors) {
    std::vector<std::int32_t> multipliers;
    std::vector<std::uint8_t> shifts;
    for (const Rescale& factor : factors) {
      multipliers.push_back(factor.multiplier);
      shifts.push_back(factor.shift);
    }
    add(multiplier, DType::kI32, {factors.size()}, multipliers);
    add(shift, DType::kU8, {factors.size()}, shifts);
  }

  template <class T>
  void add(const std::string& name, DType dtype, const std::vector<std::size_t>& shape,
           const std::vector<T>& values) {
    const std::string& bytes =
        bytes_.emplace_back(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    tensors_.push_back(
        {.name = name, .dtype = dtype, .shape = shape, .bytes = std::as_bytes(std::span(bytes))});
  }

  /// Wider types first, so that every tensor is aligned.
  Result<void> write(const std::filesystem::path& path) {
    std::ranges::sort(tensors_, [](const tensor::NamedTensor& a, const tensor::NamedTensor& b) {
      return std::pair(tensor::dtype_size(b.dtype), a.name) < std::pair(tensor::dtype_size(a.dtype), b.name);
    });
    return tensor::write_safetensors(path, tensors_);
  }

 private:
  WeightType weights_;
  std::deque<std::string> bytes_;
  std::vector<tensor::NamedTensor> tensors_;
};

}  // namespace

std::vector<std::uint8_t> pack_int4(std::span<const std::int8_t> weights, std::size_t outputs,
                                    std::size_t fan_in) {
  const std::size_t row = (fan_in + 1) / 2;
  std::vector<std::uint8_t> packed(outputs * row, 0);
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t k = 0; k < fan_in; ++k) {
      const auto nibble = static_cast<std::uint8_t>(static_cast<std::uint8_t>(weights[o * fan_in + k]) & 15U);
      packed[o * row + k / 2] |= static_cast<std::uint8_t>(k % 2 == 0 ? nibble : nibble << 4U);
    }
  }
  return packed;
}

Result<IntegerNetwork> load_integers(const tensor::SafeTensors& checkpoint, const Config& config,
                                     const std::string& where) {
  const Reader reader(checkpoint, config.weights, where);
  std::vector<IntegerLayer> network;
  for (Layer& layer : layers_of(config)) {
    IntegerLayer& integers = network.emplace_back();
    integers.layer = std::move(layer);
    const Layer& self = integers.layer;
    if (!self.has_weights()) continue;
    if (self.kind == LayerKind::kSqueezeExcite) {
      FOVEA_TRY(integers.product,
                reader.product(self, self.name + ".0", self.squeeze_channels, self.in_channels));
      FOVEA_TRY(integers.excite,
                reader.product(self, self.name + ".2", self.in_channels, self.squeeze_channels));
      FOVEA_TRY(const auto gate,
                reader.rescales(self.name + ".gate_multiplier", self.name + ".gate_shift", 1));
      integers.gate = gate.front();
    } else {
      FOVEA_TRY(integers.product, reader.product(self, self.name, self.out_channels, self.fan_in()));
    }
    FOVEA_TRY(const auto scale, reader.scales(self.name + ".output_scale", 1));
    integers.output_scale = scale.front();
  }
  assign_signs(network);
  return IntegerNetwork(std::move(network));
}

Result<void> write_integers(const std::filesystem::path& path, const IntegerNetwork& network,
                            WeightType weights) {
  Writer writer(weights);
  for (const IntegerLayer& integers : network.layers()) {
    const Layer& layer = integers.layer;
    if (!layer.has_weights()) continue;
    if (layer.kind == LayerKind::kSqueezeExcite) {
      writer.product(layer, layer.name + ".0", integers.product);
      writer.product(layer, layer.name + ".2", integers.excite);
      writer.rescales(layer.name + ".gate_multiplier", layer.name + ".gate_shift", {integers.gate});
    } else {
      writer.product(layer, layer.name, integers.product);
    }
    writer.add(layer.name + ".output_scale", DType::kF32, {1}, std::vector{integers.output_scale});
  }
  return writer.write(path);
}

}  // namespace fovea::models::micro_cnn
