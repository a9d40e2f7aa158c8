#include "compress/smolvlm_prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "compress/new_folder.h"
#include "compress/sliced_tensor.h"
#include "models/smolvlm/model.h"
#include "nn/compute.h"
#include "tensor/safetensors.h"

namespace fovea::compress {
namespace {

using models::smolvlm::Config;
using tensor::StoredTensor;

constexpr std::size_t kNeuronBlock = 64;  // of the transform in front of quantised products

/// Units of a layer that go together with parts of several matrices: `producers` have them as rows,
/// `consumer` as columns. A unit is `rows` consecutive rows of the first, and so on.
struct UnitGroup {
  std::string name;
  std::size_t units = 0;
  std::size_t left = 0;
  struct Rows {
    std::string name;  ///< of the layer, without .weight
    std::size_t per_unit = 1;
    bool counts = true;  ///< for importance without pictures
  };
  std::vector<Rows> producers;
  std::string consumer;
  std::size_t columns_per_unit = 1;
};

std::size_t neurons_left(std::size_t neurons, double ratio) {
  const std::size_t left = units_left(neurons, ratio);
  if (neurons % kNeuronBlock != 0) return left;
  return std::max(kNeuronBlock, (left + kNeuronBlock / 2) / kNeuronBlock * kNeuronBlock);
}

std::vector<UnitGroup> find_groups(const Config& config, double ratio) {
  std::vector<UnitGroup> groups;
  for (std::size_t i = 0; i < config.vision.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("model.vision_model.encoder.layers.{}.mlp.", i);
    const std::size_t neurons = config.vision.intermediate_size;
    groups.push_back({.name = fmt::format("vision {} neurons", i),
                      .units = neurons,
                      .left = neurons_left(neurons, ratio),
                      .producers = {{.name = layer + "fc1"}},
                      .consumer = layer + "fc2"});
  }
  const auto& text = config.text;
  const std::size_t queries = text.num_attention_heads / text.num_key_value_heads * text.head_dim;
  for (std::size_t i = 0; i < text.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("model.text_model.layers.{}.", i);
    groups.push_back(
        {.name = fmt::format("text {} head groups", i),
         .units = text.num_key_value_heads,
         .left = units_left(text.num_key_value_heads, ratio),
         .producers = {{.name = layer + "self_attn.q_proj", .per_unit = queries, .counts = false},
                       {.name = layer + "self_attn.k_proj", .per_unit = text.head_dim, .counts = false},
                       {.name = layer + "self_attn.v_proj", .per_unit = text.head_dim}},
         .consumer = layer + "self_attn.o_proj",
         .columns_per_unit = queries});
    groups.push_back({.name = fmt::format("text {} neurons", i),
                      .units = text.intermediate_size,
                      .left = neurons_left(text.intermediate_size, ratio),
                      .producers = {{.name = layer + "mlp.gate_proj"}, {.name = layer + "mlp.up_proj"}},
                      .consumer = layer + "mlp.down_proj"});
  }
  return groups;
}

/// Sums of squares of what goes into the products behind the units, by the name of their weight.
class SquaresObserver : public nn::InputObserver {
 public:
  explicit SquaresObserver(const std::vector<UnitGroup>& groups) {
    for (const UnitGroup& group : groups) squares_[group.consumer + ".weight"];
  }
  void see(std::span<const std::string_view> weights, const float* x, std::size_t rows,
           std::size_t columns) override {
    const auto found = squares_.find(weights.front());
    if (found == squares_.end()) return;
    found->second.resize(columns);
    for (std::size_t i = 0; i < rows * columns; ++i) {
      found->second[i % columns] += static_cast<double>(x[i]) * x[i];
    }
  }
  /// Null where nothing was seen.
  [[nodiscard]] const std::vector<double>* of(const std::string& consumer) const {
    const auto& squares = squares_.at(consumer + ".weight");
    return squares.empty() ? nullptr : &squares;
  }

 private:
  std::map<std::string, std::vector<double>, std::less<>> squares_;
};

class Pruner {
 public:
  explicit Pruner(const tensor::SafeTensors& checkpoint) : checkpoint_(checkpoint) {
    for (const auto& [name, stored] : checkpoint.tensors()) {
      tensors_[name] = {.name = name, .dtype = stored.dtype, .shape = stored.shape, .bytes = stored.bytes};
    }
  }

  /// `squares` of the consumer's inputs, or null.
  std::vector<double> importance(const UnitGroup& group, const std::vector<double>* squares) const {
    const nn::Weight consumer = matrix(group.consumer);
    std::vector<double> scores(group.units, 0.0);
    std::vector<double> lengths(consumer.columns(), 0.0);  // squared, of each column
    std::vector<float> row(consumer.columns());
    for (std::size_t o = 0; o < consumer.rows(); ++o) {
      consumer.copy_row(o, row.data());
      for (std::size_t c = 0; c < row.size(); ++c) lengths[c] += static_cast<double>(row[c]) * row[c];
    }
    for (std::size_t c = 0; c < lengths.size(); ++c) {
      scores[c / group.columns_per_unit] += lengths[c] * (squares != nullptr ? (*squares)[c] : 1.0);
    }
    if (squares != nullptr) return scores;
    for (const UnitGroup::Rows& rows : group.producers) {
      if (!rows.counts) continue;
      const nn::Weight producer = matrix(rows.name);
      std::vector<double> own(group.units, 0.0);
      std::vector<float> values(producer.columns());
      for (std::size_t r = 0; r < producer.rows(); ++r) {
        producer.copy_row(r, values.data());
        for (const float value : values) own[r / rows.per_unit] += static_cast<double>(value) * value;
      }
      for (std::size_t u = 0; u < group.units; ++u) scores[u] *= own[u];
    }
    return scores;
  }

  void prune(const UnitGroup& group, const std::vector<std::size_t>& kept) {
    for (const UnitGroup::Rows& rows : group.producers) {
      const std::vector<std::size_t> indices = expanded(kept, rows.per_unit);
      slice(rows.name + ".weight", 0, indices);
      if (tensors_.contains(rows.name + ".bias")) slice(rows.name + ".bias", 0, indices);
    }
    slice(group.consumer + ".weight", 1, expanded(kept, group.columns_per_unit));
  }

  [[nodiscard]] Result<void> write(const std::filesystem::path& path) const {
    std::vector<tensor::NamedTensor> tensors;
    tensors.reserve(tensors_.size());
    for (const auto& [name, tensor] : tensors_) tensors.push_back(tensor);
    // Largest first: their sizes are multiples of large powers of two, so that all are aligned.
    std::ranges::sort(tensors, [](const tensor::NamedTensor& a, const tensor::NamedTensor& b) {
      return std::pair(b.bytes.size(), a.name) < std::pair(a.bytes.size(), b.name);
    });
    return tensor::write_safetensors(path, tensors);
  }

  [[nodiscard]] std::size_t parameters() const {
    std::size_t total = 0;
    for (const auto& [name, tensor] : tensors_) total += tensor.bytes.size() / dtype_size(tensor.dtype);
    return total;
  }

 private:
  /// A layer's weights, which Model::load has seen to be there.
  [[nodiscard]] nn::Weight matrix(const std::string& name) const {
    const StoredTensor& stored = *checkpoint_.find(name + ".weight");
    return {stored, stored.shape[0], stored.shape[1], nn::Precision::kF32};
  }
  static std::vector<std::size_t> expanded(const std::vector<std::size_t>& kept, std::size_t per_unit) {
    std::vector<std::size_t> indices;
    for (const std::size_t unit : kept) {
      for (std::size_t i = 0; i < per_unit; ++i) indices.push_back(unit * per_unit + i);
    }
    return indices;
  }
  void slice(const std::string& name, std::size_t axis, const std::vector<std::size_t>& kept) {
    tensor::NamedTensor& tensor = tensors_.at(name);
    const std::string& left =
        sliced_.emplace_back(slice_bytes(tensor.bytes, tensor.shape, dtype_size(tensor.dtype), axis, kept));
    tensor.bytes = std::as_bytes(std::span(left));
    tensor.shape[axis] = kept.size();
  }

  const tensor::SafeTensors& checkpoint_;
  std::map<std::string, tensor::NamedTensor> tensors_;
  std::deque<std::string> sliced_;
};

/// Of the decoder for one token, attention over earlier ones left out.
std::size_t decoder_macs(const models::smolvlm::TextConfig& text) {
  const std::size_t attention = 2 * (text.num_attention_heads + text.num_key_value_heads) * text.head_dim;
  const std::size_t layer = text.hidden_size * (attention + 3 * text.intermediate_size);
  return text.num_hidden_layers * layer + text.hidden_size * text.vocab_size;
}

}  // namespace

Result<PruneReport> prune_smolvlm(const std::filesystem::path& source,
                                  const std::filesystem::path& destination, const PruneOptions& options) {
  FOVEA_TRY(const Config config, Config::load(source));
  if (config.quantization) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} is quantised; prune the checkpoint that it was made from", source.string()));
  }
  std::vector<UnitGroup> groups = find_groups(config, options.ratio);
  // Opened whole even without pictures: every tensor is there and of its shape.
  FOVEA_TRY(const auto generator, engine::Generator::open(source, {.model = {}}));
  SquaresObserver observer(groups);
  if (options.calibration) {
    generator->observe(&observer);
    FOVEA_CHECK_OK(answer_pictures(*generator, *options.calibration));
    generator->observe(nullptr);
  }
  const tensor::SafeTensors& checkpoint = generator->model().checkpoint();
  PruneReport report;
  Pruner pruner(checkpoint);
  report.parameters_before = pruner.parameters();
  for (const UnitGroup& group : groups) {
    const std::vector<double> scores = pruner.importance(group, observer.of(group.consumer));
    pruner.prune(group, most_important(scores, group.left));
    report.groups.push_back({.name = group.name, .before = group.units, .after = group.left});
  }
  FOVEA_CHECK_OK(pruner.write(destination / "model.safetensors"));
  FOVEA_TRY(nlohmann::json json, read_json_file(source / "config.json"));
  nlohmann::json& text = json["text_config"];
  const std::size_t key_values = units_left(config.text.num_key_value_heads, options.ratio);
  text["num_key_value_heads"] = key_values;
  text["num_attention_heads"] =
      config.text.num_attention_heads / config.text.num_key_value_heads * key_values;
  text["head_dim"] = config.text.head_dim;
  text["intermediate_size"] = neurons_left(config.text.intermediate_size, options.ratio);
  json["vision_config"]["intermediate_size"] = neurons_left(config.vision.intermediate_size, options.ratio);
  FOVEA_CHECK_OK(write_file(destination / "config.json", json.dump(2) + "\n"));
  FOVEA_CHECK_OK(copy_other_files(source, destination));
  FOVEA_TRY(const Config after, Config::load(destination));
  report.parameters_after = pruner.parameters();
  report.macs_before = decoder_macs(config.text);
  report.macs_after = decoder_macs(after.text);
  for (const auto& file : checkpoint.files()) report.bytes_before += std::filesystem::file_size(file);
  report.bytes_after = std::filesystem::file_size(destination / "model.safetensors");
  return report;
}

}  // namespace fovea::compress
