#pragma once

#include <filesystem>

namespace fovea {

/// Where fovea keeps what it writes: `$XDG_STATE_HOME/fovea`, by default `~/.local/state/fovea`; without a
/// home directory `fovea-state` in the present one. It need not exist.
std::filesystem::path state_folder();

}  // namespace fovea
