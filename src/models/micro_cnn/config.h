#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::models::micro_cnn {

enum class Block {
  kSeparable,         ///< depthwise 3x3, pointwise, max pool
  kInvertedResidual,  ///< pointwise wider, depthwise 3x3 of stride 2, pointwise narrow
};

enum class Activation { kNone, kRelu, kRelu6 };

/// What `fovea quantize` made of the weights.
enum class WeightType { kFloat, kInt8, kInt4 };

/// "f32", "int8", "int4".
const char* weight_type_name(WeightType type);

/// `config.json` of the micro CNN family and the `preprocessor_config.json` beside it (docs/micro-cnn.md).
/// Channel counts are free, so that a pruned model is one of the family.
struct Config {
  Block block = Block::kSeparable;
  std::string task;  ///< whose labels these are; may be empty
  std::size_t image_size = 48;
  std::size_t stem_channels = 8;
  std::vector<std::size_t> block_channels;    ///< outputs of each block after the stem; never empty
  std::vector<std::size_t> hidden_channels;   ///< of each block; inverted residuals only
  std::vector<std::size_t> squeeze_channels;  ///< stem's and each block's squeeze-and-excite; empty: none
  Activation activation = Activation::kRelu;
  float norm_eps = 1e-5F;
  std::vector<std::string> labels;  ///< class names in the order of the logits
  WeightType weights = WeightType::kFloat;
  float temperature = 1.0F;  ///< logits are divided by it before the softmax, so that confidence is honest

  /// Errors: kNotFound, kIo, kInvalidModel (naming the file, the key and what was expected).
  static Result<Config> load(const std::filesystem::path& directory);
};

/// The `model_type` of a checkpoint's config.json, or nothing where it has none.
/// Errors: kNotFound, kIo, kInvalidModel.
Result<std::optional<std::string>> read_model_type(const std::filesystem::path& directory);

inline constexpr const char* kModelType = "micro_cnn";
inline constexpr std::size_t kInputChannels = 3;
inline constexpr std::size_t kMostChannels = 512;
inline constexpr std::size_t kMostClasses = 64;

}  // namespace fovea::models::micro_cnn
