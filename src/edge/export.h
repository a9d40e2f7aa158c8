#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "edge/report.h"

namespace fovea::edge {

struct ExportOptions {
  std::string prefix =
      "fovea_edge";  ///< of files and names: a C identifier in lower case, at most 32 characters
  Budget budget = {};
};

/// Writes the micro CNN of the checkpoint `source`, in float or as it is quantised, as self-contained C99 to
/// `destination` (made where it is missing; files of the same names are replaced): PREFIX.h, PREFIX.c,
/// PREFIX_model.h, PREFIX_model.c, report.json and report.md. Returns the report.
/// Errors: kUsage (a prefix that is none), kTooLarge (over the budget, and by how much; nothing is written),
/// kIo, and as micro_cnn::Model::load.
Result<nlohmann::ordered_json> export_edge(const std::filesystem::path& source,
                                           const std::filesystem::path& destination,
                                           const ExportOptions& options);

}  // namespace fovea::edge
