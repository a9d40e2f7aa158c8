#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "models/smolvlm/config.h"

namespace fovea::evaluate {

/// What a checkpoint is, by its files alone.
struct CheckpointFigures {
  bool is_micro_cnn = false;
  bool quantised = false;
  std::string dtype;  ///< of its weights: "f32", "f16", "bf16", "int8" or "int4" (of the text model)
  std::uint64_t file_bytes = 0;  ///< of the weight files that loading reads
  std::uint64_t parameters = 0;  ///< of the model, however it is stored
};

/// Parameters of a reader of the SmolVLM family; shared embeddings count once.
std::uint64_t count_parameters(const models::smolvlm::Config& config);

/// Errors: kNotFound, kIo, kInvalidModel.
Result<CheckpointFigures> checkpoint_figures(const std::filesystem::path& folder);

}  // namespace fovea::evaluate
