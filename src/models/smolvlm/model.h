#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "models/smolvlm/config.h"
#include "models/smolvlm/text.h"
#include "models/smolvlm/vision.h"
#include "nn/weight.h"
#include "tensor/safetensors.h"

namespace fovea::models::smolvlm {

struct LoadOptions {
  /// Default: as stored (f16 weights are widened to f32). int8 and int4 quantise while loading, which takes
  /// seconds for large models: `fovea quantize` does it once. int4 holds the text model so, and vision in
  /// int8: the tower is bound by arithmetic, which narrower weights do not make faster, and it bears int4
  /// worse.
  std::optional<nn::Precision> precision;
  std::optional<nn::Precision> vision_precision = {};  ///< overrides `precision` for tower and connector
  /// Default: f32 beside f32 weights, else bf16. int8 halves the memory for keys and values.
  std::optional<nn::KeyValueType> key_values = {};
  /// Of the inputs of matrices that are quantised to int4, measured (compress/calibrate.h); or none.
  const quantize::Calibration* calibration = nullptr;
  /// For comparison with reference runs that cast a whole model, its rotary frequencies too, to bfloat16.
  /// Loading a checkpoint with transformers does not do that.
  bool bf16_rope_frequencies = false;
};

/// A SmolVLM, SmolVLM2 or Idefics3-like checkpoint: vision tower, connector and text model over one mapped
/// checkpoint. Immutable after loading.
class Model {
 public:
  /// Loads a Hugging Face directory. Errors: kNotFound, kIo, kInvalidModel; kInvalidArgument for options that
  /// the checkpoint, or one another, do not go with.
  static Result<std::unique_ptr<Model>> load(const std::filesystem::path& directory,
                                             const LoadOptions& options = {});

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const tensor::SafeTensors& checkpoint() const { return checkpoint_; }
  /// Of all tensors in the checkpoint: what is mapped. Copies in another precision come on top.
  [[nodiscard]] std::size_t weight_bytes() const;
  [[nodiscard]] nn::Precision precision() const { return precision_; }  ///< of the text model
  [[nodiscard]] const VisionTower& vision() const { return vision_; }
  [[nodiscard]] const TextModel& text() const { return text_; }

 private:
  Model(tensor::SafeTensors checkpoint, Config config, nn::Precision precision, VisionTower vision,
        TextModel text)
      : checkpoint_(std::move(checkpoint)),
        config_(std::move(config)),
        precision_(precision),
        vision_(std::move(vision)),
        text_(std::move(text)) {}

  tensor::SafeTensors checkpoint_;  // the weights below are views of its maps
  Config config_;
  nn::Precision precision_;
  VisionTower vision_;
  TextModel text_;
};

}  // namespace fovea::models::smolvlm
