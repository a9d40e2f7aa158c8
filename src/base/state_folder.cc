#include "base/state_folder.h"

#include <cstdlib>

namespace fovea {

std::filesystem::path state_folder() {
  // The XDG specification has relative paths ignored.
  const auto folder = [](const char* name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the program sets no variables.
    const char* value = std::getenv(name);
    std::filesystem::path path = value == nullptr ? "" : value;
    return path.is_absolute() ? path : std::filesystem::path();
  };
  if (const auto state = folder("XDG_STATE_HOME"); !state.empty()) return state / "fovea";
  if (const auto home = folder("HOME"); !home.empty()) return home / ".local" / "state" / "fovea";
  return "fovea-state";
}

}  // namespace fovea
