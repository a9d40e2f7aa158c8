#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"

namespace fovea::recognize {

/// Whose cascade a threshold is for. It holds for these versions of both models and of the task, and no
/// others.
struct CascadePair {
  std::string task, task_digest;
  std::string fast_version;
  std::string accurate, accurate_version;
};

/// The threshold that `fovea calibrate --target-accuracy` or `--budget` stored with the fast model, in
/// `DIR/cascade.json`; nothing where none was, or it was for another pair. Errors: kInvalidModel, kIo: the
/// file cannot be read as what it should be.
Result<std::optional<double>> load_threshold(const std::filesystem::path& directory, const CascadePair& pair);

/// Stores it beside those of other tasks. `made_from`: what it was chosen by, for people. Errors: as above.
Result<void> store_threshold(const std::filesystem::path& directory, const CascadePair& pair,
                             double threshold, const nlohmann::ordered_json& made_from);

}  // namespace fovea::recognize
