#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/result.h"
#include "compress/quantize.h"
#include "models/micro_cnn/folded.h"
#include "models/micro_cnn/integer_network.h"

namespace fovea::compress {

/// A micro CNN in integers within `most_weight` (127 or 7): layer after layer, weights fitted to what the
/// quantised layers before give for these prepared pictures (integer_fit.h), ranges of activations as the
/// float network has them. docs/micro-cnn.md says what the integers mean.
models::micro_cnn::IntegerNetwork quantize_network(std::vector<models::micro_cnn::FoldedLayer> layers,
                                                   std::span<const std::vector<std::uint8_t>> pictures,
                                                   std::int32_t most_weight);

/// quantize_checkpoint for the micro CNN in `source`, into the empty folder `destination`.
/// Errors: kUsage (no pictures, quantised already), as prepare_pictures, as micro_cnn::Model::load, kIo.
Result<QuantizeReport> quantize_micro_cnn(const std::filesystem::path& source,
                                          const std::filesystem::path& destination,
                                          const QuantizeOptions& options);

}  // namespace fovea::compress
