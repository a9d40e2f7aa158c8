#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace fovea {

/// The logical processors that this thread may run on (its affinity mask).
struct Processors {
  std::vector<int> cores;   ///< one processor of each physical core, in the order of their numbers
  std::size_t logical = 1;  ///< all of them, with those that share a core
};

/// Looks them up. `topology` is where Linux describes processors; one that is not described there counts as a
/// core of its own.
Processors allowed_processors(const std::filesystem::path& topology = "/sys/devices/system/cpu");

}  // namespace fovea
