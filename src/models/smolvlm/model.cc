#include "models/smolvlm/model.h"

namespace fovea::models::smolvlm {
namespace {

nn::Precision stored_precision(const tensor::SafeTensors& checkpoint) {
  const tensor::StoredTensor* embedding = checkpoint.find("model.text_model.embed_tokens.weight");
  const bool bf16 = embedding != nullptr && embedding->dtype == tensor::DType::kBF16;
  return bf16 ? nn::Precision::kBF16 : nn::Precision::kF32;
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const std::filesystem::path& directory,
                                           const LoadOptions& options) {
  FOVEA_TRY(Config config, Config::load(directory));
  FOVEA_TRY(tensor::SafeTensors checkpoint, tensor::SafeTensors::open_checkpoint(directory));
  const nn::Precision chosen = options.precision.value_or(stored_precision(checkpoint));
  const nn::WeightLoader weights(checkpoint, chosen);
  FOVEA_TRY(VisionTower vision, VisionTower::load(weights, config));
  FOVEA_TRY(TextModel text, TextModel::load(weights, config, options.bf16_rope_frequencies));
  return std::unique_ptr<Model>(
      new Model(std::move(checkpoint), std::move(config), chosen, std::move(vision), std::move(text)));
}

}  // namespace fovea::models::smolvlm
