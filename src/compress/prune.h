#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compress/calibrate.h"

namespace fovea::compress {

struct PruneOptions {
  double ratio = 0.25;  ///< of each group's channels, neurons or heads, that goes; above 0, below 1
  /// Pictures that importance is measured with; none: weights alone are looked at.
  std::optional<CalibrationData> calibration = {};
};

/// Units that can only go together: channels of a convolution, neurons of an MLP, groups of attention heads.
struct PrunedGroup {
  std::string name;
  std::size_t before = 0;
  std::size_t after = 0;
};

struct PruneReport {
  std::vector<PrunedGroup> groups;
  std::size_t parameters_before = 0, parameters_after = 0;
  std::size_t macs_before = 0, macs_after = 0;       ///< of a picture; of a reader: its decoder's for a token
  std::uintmax_t bytes_before = 0, bytes_after = 0;  ///< of the weights' files
};

/// Writes the float checkpoint in `source` to a new folder `destination` with the least important units of
/// every group left out: smaller tensors, a configuration that says so, every other file as it is. Rounds
/// ratio x units to whole units, and leaves at least one. Nothing is left there on an error. Errors: kUsage
/// (the destination exists, a ratio outside, a quantised source, a model_type that is not pruned), kNotFound,
/// kIo, kInvalidModel, and as prepare_pictures.
Result<PruneReport> prune_checkpoint(const std::filesystem::path& source,
                                     const std::filesystem::path& destination, const PruneOptions& options);

/// How many of so many units a ratio leaves.
std::size_t units_left(std::size_t units, double ratio);

/// The indices of the `count` highest scores, in rising order; of equals the first.
std::vector<std::size_t> most_important(const std::vector<double>& scores, std::size_t count);

}  // namespace fovea::compress
