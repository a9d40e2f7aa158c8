#include "compress/micro_cnn_quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "compress/integer_fit.h"
#include "compress/micro_cnn_pictures.h"
#include "compress/new_folder.h"
#include "models/micro_cnn/float_network.h"
#include "models/micro_cnn/integer_checkpoint.h"
#include "tensor/safetensors.h"

namespace fovea::compress {
namespace {

using namespace models::micro_cnn;

/// The least scale of an activation: a channel that was never seen to be more than nothing.
constexpr double kLeastRange = 1e-6;
constexpr double kMostBias = 0x1p29;

/// One picture on its way through both networks.
struct Sample {
  std::vector<std::vector<float>> floats;  ///< what each layer gives; the picture is before the first
  std::vector<std::int32_t> integers;      ///< what the layer before gives
};

std::vector<float> picture_floats(const std::vector<std::uint8_t>& picture) {
  std::vector<float> values;
  values.reserve(picture.size());
  for (const std::uint8_t byte : picture) values.push_back((static_cast<float>(byte) - 128.0F) / 128.0F);
  return values;
}

std::vector<Sample> run_float(const FloatNetwork& network,
                              std::span<const std::vector<std::uint8_t>> pictures) {
  std::vector<Sample> samples;
  for (const std::vector<std::uint8_t>& picture : pictures) {
    Sample sample;
    sample.floats.push_back(picture_floats(picture));
    for (const std::uint8_t byte : picture) sample.integers.push_back(std::int32_t{byte} - 128);
    const auto logits = network.run(picture, [&](std::size_t i, const float*, const float* out) {
      const Layer& layer = network.layers()[i].layer;
      std::vector<float>& values = sample.floats.emplace_back();
      for (std::size_t pixel = 0; pixel < layer.out_size * layer.out_size; ++pixel) {
        const float* at = out + pixel * padded_channels(layer.out_channels);
        values.insert(values.end(), at, at + layer.out_channels);
      }
    });
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// The inputs of a product at one output pixel; for a depthwise layer, those of `channel`.
template <class T>
void gather(const Layer& layer, std::span<const T> in, std::size_t pixel, std::size_t channel, double scale,
            std::vector<float>& inputs) {
  inputs.clear();
  if (layer.kind != LayerKind::kConvolution && layer.kind != LayerKind::kDepthwise) {
    for (const T value : in.subspan(pixel * layer.in_channels, layer.in_channels)) {
      inputs.push_back(static_cast<float>(value * scale));
    }
    return;
  }
  const bool depthwise = layer.kind == LayerKind::kDepthwise;
  for (std::size_t tap = 0; tap < 9; ++tap) {
    const std::size_t y = pixel / layer.out_size * layer.stride + tap / 3;
    const std::size_t x = pixel % layer.out_size * layer.stride + tap % 3;
    const bool inside = y >= 1 && y <= layer.in_size && x >= 1 && x <= layer.in_size;
    for (std::size_t c = depthwise ? channel : 0; c < (depthwise ? channel + 1 : layer.in_channels); ++c) {
      const std::size_t at = ((y - 1) * layer.in_size + x - 1) * layer.in_channels + c;
      inputs.push_back(inside ? static_cast<float>(in[at] * scale) : 0.0F);
    }
  }
}

/// Fits the rows of products and turns them into integers.
class Fitter {
 public:
  explicit Fitter(std::int32_t most_weight) : most_(most_weight) {}

  /// Row `o` of a product whose inputs' unit is `in_scale` and whose output's is `out_scale`.
  void add_row(const FloatProduct& from, std::size_t o, const PairedMoments& moments, double in_scale,
               double out_scale, IntegerProduct& to) const {
    const auto weights = std::span(from.weights).subspan(o * from.fan_in, from.fan_in);
    IntegerRow row = fit_row(weights, from.bias[o], moments, most_);
    // A bias that is huge beside its weights sets the unit.
    const double least = std::abs(row.bias) / (in_scale * kMostBias);
    if (row.scale < least) {
      for (std::int8_t& weight : row.weights) {
        weight = static_cast<std::int8_t>(std::nearbyint(weight * row.scale / least));
      }
      row.scale = least;
    }
    const double unit = in_scale * row.scale;
    to.weights.insert(to.weights.end(), row.weights.begin(), row.weights.end());
    to.bias.push_back(static_cast<std::int32_t>(std::llround(row.bias / unit)));
    to.rescale.push_back(to_rescale(unit / out_scale));
    to.weight_scales.push_back(static_cast<float>(row.scale));
  }

  /// All rows, over the same inputs.
  [[nodiscard]] IntegerProduct all_rows(const FloatProduct& from, const PairedMoments& moments,
                                        double in_scale, double out_scale) const {
    IntegerProduct to = empty(from);
    for (std::size_t o = 0; o < from.outputs; ++o) add_row(from, o, moments, in_scale, out_scale, to);
    return to;
  }

  static IntegerProduct empty(const FloatProduct& like) {
    return {.outputs = like.outputs,
            .fan_in = like.fan_in,
            .weights = {},
            .bias = {},
            .rescale = {},
            .weight_scales = {}};
  }

 private:
  std::int32_t most_;
};

double highest_magnitude(const std::vector<Sample>& samples, std::size_t layer) {
  double highest = kLeastRange;
  for (const Sample& sample : samples) {
    for (const float value : sample.floats[layer + 1]) highest = std::max<double>(highest, std::abs(value));
  }
  return highest;
}

class Quantizer {
 public:
  Quantizer(const FloatNetwork& network, std::vector<Sample> samples, std::int32_t most_weight)
      : network_(network), samples_(std::move(samples)), fitter_(most_weight) {
    for (const FoldedLayer& folded : network.layers()) layers_.emplace_back().layer = folded.layer;
    assign_signs(layers_);
  }

  std::vector<IntegerLayer> run() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const LayerKind kind = layers_[i].layer.kind;
      if (kind == LayerKind::kSqueezeExcite) {
        squeeze_excite(i);
      } else if (kind == LayerKind::kAveragePool) {
        scale_ /= kMeanScale;
      } else if (layers_[i].layer.has_weights()) {
        product(i);
      }
      for (Sample& sample : samples_) sample.integers = run_layer(layers_[i], sample.integers);
    }
    return std::move(layers_);
  }

 private:
  double output_scale(std::size_t i) const {
    if (layers_[i].layer.kind == LayerKind::kLinear) return 1.0 / kLogitScale;
    const double range = highest_magnitude(samples_, i);
    return range / (layers_[i].signed_output ? kMostSigned : kMostUnsigned);
  }

  void product(std::size_t i) {
    IntegerLayer& self = layers_[i];
    const Layer& layer = self.layer;
    const FloatProduct& floats = network_.layers()[i].product;
    const double out_scale = output_scale(i);
    self.output_scale = static_cast<float>(out_scale);
    self.product = Fitter::empty(floats);
    const bool depthwise = layer.kind == LayerKind::kDepthwise;
    std::vector<float> x;
    std::vector<float> z;
    for (std::size_t group = 0; group < (depthwise ? layer.out_channels : 1); ++group) {
      PairedMoments moments(floats.fan_in);
      for (const Sample& sample : samples_) {
        for (std::size_t pixel = 0; pixel < layer.out_size * layer.out_size; ++pixel) {
          gather(layer, std::span<const float>(sample.floats[i]), pixel, group, 1.0, x);
          gather(layer, std::span<const std::int32_t>(sample.integers), pixel, group, scale_, z);
          moments.add(x, z);
        }
      }
      if (depthwise) {
        fitter_.add_row(floats, group, moments, scale_, out_scale, self.product);
      } else {
        self.product = fitter_.all_rows(floats, moments, scale_, out_scale);
      }
    }
    scale_ = out_scale;
  }

  void squeeze_excite(std::size_t i) {
    IntegerLayer& self = layers_[i];
    const FoldedLayer& folded = network_.layers()[i];
    const std::size_t channels = self.layer.in_channels;
    const std::size_t squeeze = self.layer.squeeze_channels;
    const double mean_scale = scale_ / kMeanScale;

    std::vector<std::vector<float>> squeezed;  // in float, after the ReLU
    PairedMoments means(channels);
    double range = kLeastRange;
    for (const Sample& sample : samples_) {
      const std::vector<float> x = float_means(sample.floats[i], channels);
      means.add(x, scaled(channel_means(sample.integers, channels), mean_scale));
      std::vector<float>& middle = squeezed.emplace_back(squeeze);
      for (std::size_t s = 0; s < squeeze; ++s) {
        for (std::size_t c = 0; c < channels; ++c)
          middle[s] += folded.product.weights[s * channels + c] * x[c];
        middle[s] = std::max(middle[s], 0.0F);
        range = std::max<double>(range, middle[s]);
      }
    }
    const double squeezed_scale = range / kMostUnsigned;
    self.product = fitter_.all_rows(folded.product, means, mean_scale, squeezed_scale);

    PairedMoments middles(squeeze);
    for (std::size_t n = 0; n < samples_.size(); ++n) {
      std::vector<std::int32_t> sums =
          product_sums(self.product, channel_means(samples_[n].integers, channels));
      for (std::size_t s = 0; s < squeeze; ++s) {
        sums[s] = sums[s] <= 0 ? 0 : rescale(sums[s], self.product.rescale[s], kMostUnsigned);
      }
      middles.add(squeezed[n], scaled(sums, squeezed_scale));
    }
    self.excite = fitter_.all_rows(folded.excite, middles, squeezed_scale, 1.0 / kGateScale);

    const double out_scale = output_scale(i);
    self.output_scale = static_cast<float>(out_scale);
    self.gate = to_rescale(2.0 * scale_ / out_scale);  // 2^16 of a factor over 2^15 of a gate
    scale_ = out_scale;
  }

  static std::vector<float> float_means(const std::vector<float>& values, std::size_t channels) {
    std::vector<float> means(channels);
    for (std::size_t i = 0; i < values.size(); ++i) means[i % channels] += values[i];
    const std::size_t pixels = values.size() / channels;
    for (float& mean : means) mean /= static_cast<float>(pixels);
    return means;
  }
  static std::vector<float> scaled(const std::vector<std::int32_t>& values, double scale) {
    std::vector<float> floats;
    floats.reserve(values.size());
    for (const std::int32_t value : values) floats.push_back(static_cast<float>(value * scale));
    return floats;
  }

  const FloatNetwork& network_;
  std::vector<Sample> samples_;
  Fitter fitter_;
  std::vector<IntegerLayer> layers_;
  double scale_ = 1.0 / 128;  ///< what one step of the current activations stands for
};

}  // namespace

IntegerNetwork quantize_network(std::vector<FoldedLayer> layers,
                                std::span<const std::vector<std::uint8_t>> pictures,
                                std::int32_t most_weight) {
  const FloatNetwork network(std::move(layers));
  return IntegerNetwork(Quantizer(network, run_float(network, pictures), most_weight).run());
}

Result<QuantizeReport> quantize_micro_cnn(const std::filesystem::path& source,
                                          const std::filesystem::path& destination,
                                          const QuantizeOptions& options) {
  FOVEA_TRY(const Config config, Config::load(source));
  if (config.weights != WeightType::kFloat) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} is quantised already; quantise the checkpoint that it was made from",
                            source.string()));
  }
  if (!options.calibration) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} is a micro CNN: the ranges of its activations are measured with pictures; "
                            "expected --calibrate DIR",
                            source.string()));
  }
  FOVEA_TRY(const auto pictures, prepare_pictures(*options.calibration, config.image_size));
  FOVEA_TRY(const auto checkpoint, tensor::SafeTensors::open_checkpoint(source));
  const std::string where = checkpoint.files().front().string();
  FOVEA_TRY(auto layers, load_folded(checkpoint, config, where));

  const bool int4 = options.weights == nn::Precision::kInt4;
  const WeightType type = int4 ? WeightType::kInt4 : WeightType::kInt8;
  const IntegerNetwork network =
      quantize_network(std::move(layers), pictures, int4 ? kMostInt4 : kMostSigned);
  FOVEA_CHECK_OK(write_integers(destination / "model.safetensors", network, type));
  FOVEA_TRY(nlohmann::json json, read_json_file(source / "config.json"));
  json.erase("torch_dtype");
  json["quantization_config"] = {{"quant_method", "fovea"},
                                 {"version", 1},
                                 {"weights", weight_type_name(type)},
                                 {"activations", "int8"},
                                 {"calibration_pictures", pictures.size()}};
  FOVEA_CHECK_OK(write_file(destination / "config.json", json.dump(2) + "\n"));
  FOVEA_CHECK_OK(copy_other_files(source, destination));

  QuantizeReport report;
  for (const std::filesystem::path& file : checkpoint.files())
    report.source_bytes += std::filesystem::file_size(file);
  report.bytes = std::filesystem::file_size(destination / "model.safetensors");
  for (const IntegerLayer& layer : network.layers()) {
    report.matrices +=
        layer.layer.kind == LayerKind::kSqueezeExcite ? 2 : (layer.layer.has_weights() ? 1 : 0);
  }
  return report;
}

}  // namespace fovea::compress
