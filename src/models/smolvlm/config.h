#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/result.h"
#include "image/tiling.h"
#include "nn/weight.h"

namespace fovea::models::smolvlm {

/// SigLIP vision tower.
struct VisionConfig {
  std::size_t hidden_size = 1152;
  std::size_t intermediate_size = 3072;
  std::size_t num_hidden_layers = 12;
  std::size_t num_attention_heads = 16;
  std::size_t num_channels = 3;
  std::size_t image_size = 224;
  std::size_t patch_size = 32;
  float layer_norm_eps = 1e-6F;

  [[nodiscard]] std::size_t patches_per_side() const { return image_size / patch_size; }
  [[nodiscard]] std::size_t patches() const { return patches_per_side() * patches_per_side(); }
};

/// Llama text model.
struct TextConfig {
  std::size_t vocab_size = 32000;
  std::size_t hidden_size = 4096;
  std::size_t intermediate_size = 11008;
  std::size_t num_hidden_layers = 32;
  std::size_t num_attention_heads = 32;
  std::size_t num_key_value_heads = 32;
  std::size_t head_dim = 128;
  std::size_t max_position_embeddings = 2048;
  float rms_norm_eps = 1e-6F;
  float rope_theta = 10000.0F;
  bool attention_bias = false;
  bool mlp_bias = false;
};

/// What `fovea quantize` made of a checkpoint's matrices.
struct QuantizationConfig {
  nn::Precision vision = nn::Precision::kInt8;  ///< tower and connector
  nn::Precision text = nn::Precision::kInt8;    ///< decoder and head
};

/// A checkpoint directory's configuration: `config.json` and the files beside it, in the older layout
/// (`rope_theta`, `preprocessor_config.json`) or the newer (`rope_parameters`, `processor_config.json` with a
/// nested `image_processor`). Keys that a checkpoint leaves out take the reference's class defaults.
struct Config {
  VisionConfig vision;
  TextConfig text;
  std::size_t scale_factor = 2;
  std::int32_t image_token_id = 128257;
  bool tie_word_embeddings = false;
  std::vector<std::int32_t> eos_token_ids;  ///< generation stops on any of these; never empty
  image::TilingConfig tiling;
  std::optional<QuantizationConfig> quantization;  ///< none: the checkpoint holds floats

  /// Image tokens of one frame.
  [[nodiscard]] std::size_t tokens_per_frame() const {
    return vision.patches() / (scale_factor * scale_factor);
  }

  /// Errors: kNotFound, kIo, kInvalidModel (naming the file, the key and what was expected).
  static Result<Config> load(const std::filesystem::path& directory);
};

}  // namespace fovea::models::smolvlm
