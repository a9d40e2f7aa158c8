#include "models/smolvlm/model.h"

#include <fmt/format.h>

#include "base/worker_team.h"

namespace fovea::models::smolvlm {
namespace {

struct Precisions {
  nn::Precision vision;
  nn::Precision text;
};

nn::Precision stored_precision(const tensor::SafeTensors& checkpoint) {
  const tensor::StoredTensor* embedding = checkpoint.find("model.text_model.embed_tokens.weight");
  const bool bf16 = embedding != nullptr && embedding->dtype == tensor::DType::kBF16;
  return bf16 ? nn::Precision::kBF16 : nn::Precision::kF32;
}

/// Errors (kInvalidArgument): a quantised checkpoint is asked for in another precision.
Result<Precisions> choose_precisions(const std::filesystem::path& directory, const Config& config,
                                     const tensor::SafeTensors& checkpoint, const LoadOptions& options) {
  if (config.quantization) {
    const Precisions stored{.vision = config.quantization->vision, .text = config.quantization->text};
    if (options.precision.value_or(stored.text) != stored.text ||
        options.vision_precision.value_or(stored.vision) != stored.vision) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} holds {} weights; another precision needs the checkpoint that it was made from",
                      directory.string(), nn::precision_name(stored.text)));
    }
    return stored;
  }
  const nn::Precision text = options.precision.value_or(stored_precision(checkpoint));
  const nn::Precision vision = text == nn::Precision::kInt4 ? nn::Precision::kInt8 : text;
  return Precisions{.vision = options.vision_precision.value_or(vision), .text = text};
}

/// Errors (kInvalidArgument): attention beside f32 weights is float throughout.
Result<nn::KeyValueType> choose_key_values(const std::filesystem::path& directory, nn::Precision text,
                                           const LoadOptions& options) {
  const bool wide = text == nn::Precision::kF32;
  const nn::KeyValueType usual = wide ? nn::KeyValueType::kF32 : nn::KeyValueType::kBF16;
  const nn::KeyValueType chosen = options.key_values.value_or(usual);
  if (wide == (chosen == nn::KeyValueType::kF32)) return chosen;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} computes with {} weights, beside which keys and values are {}, not {}; {}",
                          directory.string(), nn::precision_name(text), wide ? "f32" : "bf16 or int8",
                          nn::key_value_type_name(chosen),
                          "ask for bf16, int8 or int4 weights (--dtype), or leave --kv-cache out"));
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const std::filesystem::path& directory,
                                           const LoadOptions& options) {
  FOVEA_TRY(Config config, Config::load(directory));
  FOVEA_TRY(tensor::SafeTensors checkpoint, tensor::SafeTensors::open_checkpoint(directory));
  FOVEA_TRY(const Precisions chosen, choose_precisions(directory, config, checkpoint, options));
  FOVEA_TRY(const nn::KeyValueType key_values, choose_key_values(directory, chosen.text, options));
  WorkerTeam team;
  const nn::WeightLoader vision_weights(checkpoint, chosen.vision, team, options.calibration);
  const nn::WeightLoader text_weights(checkpoint, chosen.text, team, options.calibration);
  FOVEA_TRY(VisionTower vision, VisionTower::load(vision_weights, config));
  FOVEA_TRY(TextModel text, TextModel::load(text_weights, config, options.bf16_rope_frequencies, key_values));
  return std::unique_ptr<Model>(
      new Model(std::move(checkpoint), std::move(config), chosen.text, std::move(vision), std::move(text)));
}

std::size_t Model::weight_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : checkpoint_.tensors()) bytes += tensor.bytes.size();
  return bytes;
}

}  // namespace fovea::models::smolvlm
