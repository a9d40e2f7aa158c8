#include "bench/memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

namespace fovea::bench {

std::optional<double> peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmHWM:") continue;
    double kibibytes = 0;
    if (status >> kibibytes) return kibibytes * 1024 / 1e6;
  }
  return std::nullopt;
}

bool reset_peak_memory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);  // what was freed is not held
#endif
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5";  // see proc(5)
  return static_cast<bool>(clear.flush());
}

}  // namespace fovea::bench
