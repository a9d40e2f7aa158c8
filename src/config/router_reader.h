#pragma once

#include <vector>

#include "config/reader.h"
#include "config/router.h"

namespace fovea::config {

/// Reads `[router]`.
void read_router(Reader& reader, RouterConfig& router);

/// Reads `[[faults]]` of the file itself.
void read_faults(Reader& reader, std::vector<FaultConfig>& faults);

}  // namespace fovea::config
