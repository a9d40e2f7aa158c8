#include "evaluate/checkpoint_figures.h"

#include <map>
#include <system_error>

#include "models/micro_cnn/config.h"
#include "models/micro_cnn/layers.h"
#include "tensor/safetensors.h"

namespace fovea::evaluate {
namespace {

/// The type that most of the elements have.
std::string usual_dtype(const tensor::SafeTensors& checkpoint) {
  std::map<tensor::DType, std::size_t> elements;
  for (const auto& [name, stored] : checkpoint.tensors()) elements[stored.dtype] += stored.elements();
  auto usual = tensor::DType::kF32;
  for (const auto& [dtype, count] : elements) {
    if (count > elements[usual]) usual = dtype;
  }
  switch (usual) {
    case tensor::DType::kBF16:
      return "bf16";
    case tensor::DType::kF16:
      return "f16";
    default:
      return "f32";
  }
}

}  // namespace

std::uint64_t count_parameters(const models::smolvlm::Config& config) {
  const auto& vision = config.vision;
  const auto& text = config.text;
  const std::uint64_t wide = vision.hidden_size;
  const std::uint64_t patch = vision.num_channels * vision.patch_size * vision.patch_size;
  std::uint64_t count = wide * patch + wide + vision.patches() * wide + 2 * wide;
  const std::uint64_t vision_layer = 4 * wide + 4 * (wide * wide + wide) +
                                     2 * wide * vision.intermediate_size + vision.intermediate_size + wide;
  count += vision.num_hidden_layers * vision_layer;
  const std::uint64_t hidden = text.hidden_size;
  count += wide * config.scale_factor * config.scale_factor * hidden;
  const std::uint64_t queries = text.num_attention_heads * text.head_dim;
  const std::uint64_t keys = text.num_key_value_heads * text.head_dim;
  std::uint64_t text_layer =
      2 * hidden + 2 * hidden * queries + 2 * hidden * keys + 3 * hidden * text.intermediate_size;
  if (text.attention_bias) text_layer += queries + 2 * keys + hidden;
  if (text.mlp_bias) text_layer += 2 * text.intermediate_size + hidden;
  count += text.num_hidden_layers * text_layer + hidden;
  return count + text.vocab_size * hidden * (config.tie_word_embeddings ? 1 : 2);
}

Result<CheckpointFigures> checkpoint_figures(const std::filesystem::path& folder) {
  namespace micro_cnn = models::micro_cnn;
  CheckpointFigures figures;
  FOVEA_TRY(const auto checkpoint, tensor::SafeTensors::open_checkpoint(folder));
  for (const auto& file : checkpoint.files()) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(file, error);
    if (error) return fail(ErrorCode::kIo, file.string() + ": " + error.message());
    figures.file_bytes += bytes;
  }
  FOVEA_TRY(const auto type, micro_cnn::read_model_type(folder));
  if (type == micro_cnn::kModelType) {
    FOVEA_TRY(const auto config, micro_cnn::Config::load(folder));
    figures.is_micro_cnn = true;
    figures.quantised = config.weights != micro_cnn::WeightType::kFloat;
    figures.dtype = micro_cnn::weight_type_name(config.weights);
    figures.parameters = micro_cnn::count_parameters(micro_cnn::layers_of(config));
    return figures;
  }
  FOVEA_TRY(const auto config, models::smolvlm::Config::load(folder));
  figures.quantised = config.quantization.has_value();
  figures.dtype =
      config.quantization ? nn::precision_name(config.quantization->text) : usual_dtype(checkpoint);
  figures.parameters = count_parameters(config);
  return figures;
}

}  // namespace fovea::evaluate
