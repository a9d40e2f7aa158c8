#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "common.h"
#include "compress/calibrate.h"

namespace fovea::cli {

/// The first `limit` pictures of a data folder (manifest.jsonl), and what a task asks about them.
/// Errors: kUsage (no such task), as evaluate::read_manifest.
Result<compress::CalibrationData> calibration_data(const std::string& folder, std::size_t limit,
                                                   const TaskOptions& task);

}  // namespace fovea::cli
