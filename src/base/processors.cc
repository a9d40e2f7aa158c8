#include "base/processors.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace fovea {
namespace {

/// The processors of one core, as the system lists them ("0,64" or "0-1"): the same text for each of them.
std::string siblings_of(int processor, const std::filesystem::path& topology) {
  std::ifstream file(topology / fmt::format("cpu{}", processor) / "topology" / "thread_siblings_list");
  std::string line;
  std::getline(file, line);
  return line.empty() ? fmt::format("cpu{}", processor) : line;
}

}  // namespace

Processors allowed_processors(const std::filesystem::path& topology) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) {  // more processors than the mask has room for
    return {.cores = {}, .logical = std::max(1U, std::thread::hardware_concurrency())};
  }
  Processors found{.cores = {}, .logical = 0};
  std::set<std::string> seen;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &mask)) continue;
    ++found.logical;
    if (seen.insert(siblings_of(processor, topology)).second) found.cores.push_back(processor);
  }
  return found;
}

}  // namespace fovea
