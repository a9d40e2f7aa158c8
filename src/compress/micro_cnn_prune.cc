#include "compress/micro_cnn_prune.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "compress/integer_fit.h"
#include "compress/micro_cnn_pictures.h"
#include "compress/new_folder.h"
#include "compress/sliced_tensor.h"
#include "models/micro_cnn/float_network.h"
#include "tensor/safetensors.h"

namespace fovea::compress {
namespace {

using namespace models::micro_cnn;

constexpr std::array<const char*, 4> kNormParts = {".weight", ".bias", ".running_mean", ".running_var"};
constexpr double kRidge = 1e-4;  // of the mean variance: keeps the least squares solvable

bool mixes(LayerKind kind) {
  return kind == LayerKind::kPointwise || kind == LayerKind::kLinear;
}

/// The layers between the product that makes a group of channels and the one that mixes them.
struct Group {
  std::size_t producer = 0;  ///< index of a layer
  std::size_t consumer = 0;  ///< likewise
  std::vector<std::size_t> kept;
};

std::vector<Group> find_groups(const std::vector<FoldedLayer>& layers) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (mixes(layers[i].layer.kind)) groups.back().consumer = i;
    if (layers[i].layer.kind == LayerKind::kConvolution || layers[i].layer.kind == LayerKind::kPointwise) {
      groups.push_back({.producer = i, .consumer = i, .kept = {}});
    }
  }
  return groups;
}

/// What goes into every layer that mixes, by index.
std::map<std::size_t, PairedMoments> watch(const FloatNetwork& network,
                                           const std::vector<std::vector<std::uint8_t>>& pictures) {
  std::map<std::size_t, PairedMoments> moments;
  for (const auto& picture : pictures) {
    const auto logits = network.run(picture, [&](std::size_t i, const float* in, const float*) {
      const Layer& layer = network.layers()[i].layer;
      if (!mixes(layer.kind)) return;
      PairedMoments& of = moments.try_emplace(i, layer.in_channels).first->second;
      for (std::size_t pixel = 0; pixel < layer.in_size * layer.in_size; ++pixel) {
        const std::span values(in + pixel * padded_channels(layer.in_channels), layer.in_channels);
        of.add(values, values);
      }
    });
  }
  return moments;
}

std::vector<double> importance(const std::vector<FoldedLayer>& layers, const Group& group,
                               const PairedMoments* moments) {
  const FloatProduct& producer = layers[group.producer].product;
  const FloatProduct& consumer = layers[group.consumer].product;
  std::vector<double> scores;
  for (std::size_t c = 0; c < producer.outputs; ++c) {
    double length = 0;
    for (std::size_t o = 0; o < consumer.outputs; ++o) {
      length += std::pow(consumer.weights[o * consumer.fan_in + c], 2);
    }
    double size = 0;
    if (moments != nullptr) {
      size = std::sqrt(std::max(0.0, moments->covariance_zz(c, c)));
    } else {
      for (std::size_t k = 0; k < producer.fan_in; ++k) {
        size += std::abs(producer.weights[c * producer.fan_in + k]);
      }
    }
    scores.push_back(size * std::sqrt(length));
  }
  return scores;
}

/// Solves A x = b for a positive definite A of size x size, in place of both (Cholesky).
void solve(std::vector<double>& a, std::vector<double>& b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * size + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * size + k] * a[j * size + k];
      a[i * size + j] = i == j ? std::sqrt(sum) : sum / a[j * size + j];
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * size + k] * b[k];
    b[i] /= a[i * size + i];
  }
  for (std::size_t i = size; i-- > 0;) {
    for (std::size_t k = i + 1; k < size; ++k) b[i] -= a[k * size + i] * b[k];
    b[i] /= a[i * size + i];
  }
}

/// Fits the consumer's weights of the channels that stay to what it gave with all, and makes up for the mean.
/// `weights` is [outputs, channels], still whole; `mean_shift` what its outputs' mean loses.
void refit(SlicedTensor& weights, const std::vector<std::size_t>& kept, const PairedMoments& moments,
           std::vector<float>& mean_shift) {
  const std::size_t channels = moments.size();
  const std::size_t size = kept.size();
  double variance = 0;
  for (std::size_t c = 0; c < channels; ++c) variance += moments.covariance_zz(c, c);
  const double ridge = kRidge * variance / static_cast<double>(channels) + 1e-12;
  for (std::size_t o = 0; o < weights.shape[0]; ++o) {
    const std::vector<float> old(weights.values.begin() + static_cast<std::ptrdiff_t>(o * channels),
                                 weights.values.begin() + static_cast<std::ptrdiff_t>((o + 1) * channels));
    std::vector<double> a(size * size);
    std::vector<double> b(size);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        a[i * size + j] = moments.covariance_zz(kept[i], kept[j]) + (i == j ? ridge : 0.0);
      }
      b[i] = ridge * old[kept[i]];
      for (std::size_t c = 0; c < channels; ++c) b[i] += moments.covariance_zz(kept[i], c) * old[c];
    }
    solve(a, b, size);
    double shift = 0;
    for (std::size_t c = 0; c < channels; ++c) shift += old[c] * moments.mean_z(c);
    for (std::size_t i = 0; i < size; ++i) {
      weights.values[o * channels + kept[i]] = static_cast<float>(b[i]);
      shift -= b[i] * moments.mean_z(kept[i]);
    }
    mean_shift.push_back(static_cast<float>(shift));
  }
}

class Pruner {
 public:
  Pruner(const tensor::SafeTensors& checkpoint, const std::vector<FoldedLayer>& layers) : layers_(layers) {
    for (const FoldedLayer& folded : layers) {
      const Layer& layer = folded.layer;
      if (!layer.has_weights()) continue;
      if (layer.kind == LayerKind::kSqueezeExcite) {
        take(checkpoint, layer.name + ".0.weight");
        take(checkpoint, layer.name + ".2.weight");
        continue;
      }
      take(checkpoint, layer.name + ".weight");
      if (layer.norm.empty()) take(checkpoint, layer.name + ".bias");
      for (const char* part : kNormParts) {
        if (!layer.norm.empty()) take(checkpoint, layer.norm + part);
      }
    }
  }

  /// Leaves only the kept channels of a group, in every tensor that has them.
  void prune(const Group& group, const PairedMoments* moments) {
    const Layer& consumer = layers_[group.consumer].layer;
    if (moments != nullptr) {
      std::vector<float> shift;
      refit(tensors_.at(consumer.name + ".weight"), group.kept, *moments, shift);
      const bool norm = !consumer.norm.empty();
      std::vector<float>& mean =
          tensors_.at(norm ? consumer.norm + ".running_mean" : consumer.name + ".bias").values;
      // A norm takes its mean off; a bias is put on.
      for (std::size_t o = 0; o < mean.size(); ++o) mean[o] += norm ? -shift[o] : shift[o];
    }
    for (std::size_t i = group.producer; i < group.consumer; ++i) {
      const Layer& layer = layers_[i].layer;
      if (layer.kind == LayerKind::kSqueezeExcite) {
        slice(layer.name + ".0.weight", 1, group.kept);
        slice(layer.name + ".2.weight", 0, group.kept);
      } else if (layer.has_weights()) {
        slice(layer.name + ".weight", 0, group.kept);
        for (const char* part : kNormParts) slice(layer.norm + part, 0, group.kept);
      }
    }
    slice(consumer.name + ".weight", 1, group.kept);
  }

  [[nodiscard]] Result<void> write(const std::filesystem::path& path) const {
    return write_sliced(path, tensors_);
  }

 private:
  void take(const tensor::SafeTensors& checkpoint, const std::string& name) {
    const tensor::StoredTensor& stored = *checkpoint.find(name);  // load_folded has seen it
    SlicedTensor& tensor = tensors_[name];
    tensor.shape = stored.shape;
    tensor.values.resize(stored.elements());
    std::memcpy(tensor.values.data(), stored.bytes.data(), stored.bytes.size());
  }
  void slice(const std::string& name, std::size_t axis, const std::vector<std::size_t>& kept) {
    tensors_.at(name).keep(axis, kept);
  }

  const std::vector<FoldedLayer>& layers_;
  std::map<std::string, SlicedTensor> tensors_;
};

/// The configuration of what is left.
void write_channels(const Config& config, const std::vector<Group>& groups, nlohmann::json& json) {
  json["stem_channels"] = groups.front().kept.size();
  json["block_channels"] = nlohmann::json::array();
  const bool inverted = config.block == Block::kInvertedResidual;
  if (inverted) json["hidden_channels"] = nlohmann::json::array();
  for (std::size_t i = 1; i < groups.size(); ++i) {
    json[inverted && i % 2 == 1 ? "hidden_channels" : "block_channels"].push_back(groups[i].kept.size());
  }
}

}  // namespace

Result<PruneReport> prune_micro_cnn(const std::filesystem::path& source,
                                    const std::filesystem::path& destination, const PruneOptions& options) {
  FOVEA_TRY(const Config config, Config::load(source));
  if (config.weights != WeightType::kFloat) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} is quantised; prune the checkpoint that it was made from", source.string()));
  }
  FOVEA_TRY(const auto checkpoint, tensor::SafeTensors::open_checkpoint(source));
  FOVEA_TRY(auto folded, load_folded(checkpoint, config, checkpoint.files().front().string()));
  const FloatNetwork network(std::move(folded));
  std::map<std::size_t, PairedMoments> moments;
  if (options.calibration) {
    FOVEA_TRY(const auto pictures, prepare_pictures(*options.calibration, config.image_size));
    moments = watch(network, pictures);
  }
  PruneReport report;
  Pruner pruner(checkpoint, network.layers());
  std::vector<Group> groups = find_groups(network.layers());
  for (Group& group : groups) {
    const auto found = moments.find(group.consumer);
    const PairedMoments* seen = found == moments.end() ? nullptr : &found->second;
    const std::vector<double> scores = importance(network.layers(), group, seen);
    group.kept = most_important(scores, units_left(scores.size(), options.ratio));
    pruner.prune(group, seen);
    report.groups.push_back({.name = network.layers()[group.producer].layer.name + " channels",
                             .before = scores.size(),
                             .after = group.kept.size()});
  }
  FOVEA_CHECK_OK(pruner.write(destination / "model.safetensors"));
  FOVEA_TRY(nlohmann::json json, read_json_file(source / "config.json"));
  write_channels(config, groups, json);
  FOVEA_CHECK_OK(write_file(destination / "config.json", json.dump(2) + "\n"));
  FOVEA_CHECK_OK(copy_other_files(source, destination));
  // Read back as whoever uses it will.
  FOVEA_TRY(const Config after, Config::load(destination));
  report.parameters_before = count_parameters(layers_of(config));
  report.parameters_after = count_parameters(layers_of(after));
  report.macs_before = count_macs(layers_of(config));
  report.macs_after = count_macs(layers_of(after));
  for (const auto& file : checkpoint.files()) report.bytes_before += std::filesystem::file_size(file);
  report.bytes_after = std::filesystem::file_size(destination / "model.safetensors");
  return report;
}

}  // namespace fovea::compress
