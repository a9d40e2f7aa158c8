#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"
#include "compress/calibrate.h"

namespace fovea::compress {

/// The pictures as a micro CNN sees them (models/micro_cnn/preprocess.h), `size` pixels a side.
/// Errors: as image::decode_image for a picture; kNotFound, kIo; kInvalidArgument for no pictures.
Result<std::vector<std::vector<std::uint8_t>>> prepare_pictures(const CalibrationData& data,
                                                                std::size_t size);

}  // namespace fovea::compress
