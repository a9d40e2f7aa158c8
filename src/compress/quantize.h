#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"
#include "compress/calibrate.h"
#include "nn/weight.h"

namespace fovea::compress {

struct QuantizeOptions {
  nn::Precision weights = nn::Precision::kInt8;         ///< kInt8 or kInt4: text model and head
  nn::Precision vision_weights = nn::Precision::kInt8;  ///< likewise: vision tower and connector
  /// Pictures that int4 weights are rounded for; none: to nearest. (int8 weights need none.) A micro CNN
  /// needs some: the ranges of its activations are measured with them.
  std::optional<CalibrationData> calibration = {};
};

struct QuantizeReport {
  std::uintmax_t source_bytes = 0;  ///< of the weights read
  std::uintmax_t bytes = 0;         ///< of the weights written
  std::size_t matrices = 0;
};

/// Writes the checkpoint in `source` with its matrices in int8 or int4 to a new folder `destination`: packed
/// as products read them (quantize/storage.h), so that it opens by mmap, `config.json` with a
/// `quantization_config`, every other file as it is. A micro CNN gets integer activations too
/// (micro_cnn_quantize.h). Nothing is left there on an error.
/// Errors: kUsage (the destination exists, the source is quantised already, a micro CNN without pictures),
/// kNotFound, kIo, kInvalidModel (an unknown model_type among others).
Result<QuantizeReport> quantize_checkpoint(const std::filesystem::path& source,
                                           const std::filesystem::path& destination,
                                           const QuantizeOptions& options);

}  // namespace fovea::compress
