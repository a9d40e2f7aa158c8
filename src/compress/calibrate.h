#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "quantize/moments.h"

namespace fovea::compress {

/// Pictures to watch a model at, and what to ask about them.
struct CalibrationData {
  std::vector<std::filesystem::path> pictures;
  std::string prompt;
  std::size_t max_new_tokens = 256;  ///< the answers are watched, too
  /// Called after every picture with how many are done.
  std::function<void(std::size_t done)> progress = {};
};

/// Asks the model about every picture, so that an observer of it sees what goes through its products.
/// Errors: as image::decode_image for a picture; kNotFound, kIo; kInvalidArgument for no pictures.
Result<void> answer_pictures(engine::Generator& generator, const CalibrationData& data);

/// Answers the question about every picture with the checkpoint in `source`, as it is stored, and measures
/// what goes into the products of the weights that `wanted` picks by name.
/// Errors: as engine::Generator::open; as image::decode_image for a picture; kInvalidArgument for no
/// pictures.
Result<quantize::Calibration> calibrate(const std::filesystem::path& source, const CalibrationData& data,
                                        const std::function<bool(std::string_view name)>& wanted);

}  // namespace fovea::compress
