#include "doctor/limits.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "base/processors.h"

namespace fovea::doctor {
namespace fs = std::filesystem;
namespace {

constexpr double kMebi = 1024.0 * 1024.0;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// What follows "name :" in the first such line of a file.
std::string value_of(const fs::path& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t colon = line.find(':');
    const std::size_t begin = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return {};
}

/// The folders of the process's control group and of those it lies in (version 2).
std::vector<fs::path> control_groups(const fs::path& root) {
  std::string group = first_line(root / "proc/self/cgroup");
  group = group.starts_with("0::/") ? group.substr(4) : "";
  std::vector<fs::path> folders;
  const fs::path top = root / "sys/fs/cgroup";
  for (fs::path folder = top / group;; folder = folder.parent_path()) {
    folders.push_back(folder);
    if (folder == top || folder == folder.parent_path()) return folders;
  }
}

/// The least of a control group's limits; nothing where none is set. `per`: the number that follows divides
/// it.
std::optional<double> group_limit(const fs::path& root, const char* file, bool per) {
  std::optional<double> least;
  for (const fs::path& folder : control_groups(root)) {
    std::istringstream line(first_line(folder / file));
    double limit = 0, period = 1;
    if (!(line >> limit)) continue;  // no such file, or "max"
    if (per && !(line >> period)) continue;
    least = std::min(least.value_or(limit / period), limit / period);
  }
  return least;
}

std::string limit_text(rlim_t limit, double unit, const char* name) {
  return limit == RLIM_INFINITY ? "unlimited"
                                : fmt::format("{:.0f}{}", static_cast<double>(limit) / unit, name);
}

rlim_t limit_of(decltype(RLIMIT_NOFILE) resource) {
  rlimit limit{};
  return ::getrlimit(resource, &limit) == 0 ? limit.rlim_cur : 0;
}

Finding memory(const fs::path& root) {
  constexpr double kLittle = 1024;  // MiB: a 500M model in int8 with a full-resolution photo takes about 600
  const std::string text = value_of(root / "proc/meminfo", "MemAvailable");
  double kibibytes = 0;
  std::istringstream(text) >> kibibytes;
  const double available = kibibytes / 1024;
  if (text.empty()) return {"memory", "not known", ""};
  return {"memory", fmt::format("{:.0f} MiB available", available),
          available < kLittle ? "large models need more: use int8 or int4 weights, or a smaller model" : ""};
}

Finding processors_allowed(const fs::path& root, std::size_t logical) {
  const auto limit = group_limit(root, "cpu.max", /*per=*/true);
  if (!limit) return {"processor limit", "none", ""};
  const auto whole = std::max(1, static_cast<int>(*limit));
  return {"processor limit", fmt::format("{:.1f} of {} processors", *limit, logical),
          *limit < static_cast<double>(logical)
              ? fmt::format("threads beyond it are stopped in turns: use --threads {}", whole)
              : ""};
}

Finding memory_allowed(const fs::path& root) {
  constexpr double kLittle = 1024;
  const auto limit = group_limit(root, "memory.max", /*per=*/false);
  if (!limit) return {"memory limit", "none", ""};
  return {"memory limit", fmt::format("{:.0f} MiB", *limit / kMebi),
          *limit / kMebi < kLittle ? "large models need more: raise the container's limit" : ""};
}

Finding huge_pages(const fs::path& root) {
  const std::string modes = first_line(root / "sys/kernel/mm/transparent_hugepage/enabled");
  const std::size_t begin = modes.find('['), end = modes.find(']');
  if (begin == std::string::npos || end == std::string::npos) {
    return {"huge pages", "not on this system", "--huge-pages will do nothing"};
  }
  const std::string mode = modes.substr(begin + 1, end - begin - 1);
  return {"huge pages", mode,
          mode == "never"
              ? "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled lets --huge-pages work"
              : ""};
}

}  // namespace

std::vector<Finding> processor(const fs::path& root) {
  const fs::path information = root / "proc/cpuinfo";
  std::string name = value_of(information, "model name");
  if (name.empty()) name = "not named";
  const Processors allowed = allowed_processors(root / "sys/devices/system/cpu");
  const std::string flags = " " + value_of(information, "flags") + value_of(information, "Features") + " ";
  std::string features;
  for (const char* feature :
       {"avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
        "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16"}) {
    if (flags.find(fmt::format(" {} ", feature)) != std::string::npos)
      features += fmt::format(" {}", feature);
  }
  return {{"processor",
           fmt::format("{}, {} processors on {} cores", name, allowed.logical, allowed.cores.size()), ""},
          {"instructions", features.empty() ? "none that kernels use" : features.substr(1),
           features.empty() ? "only the portable kernels run here, which are slow" : ""}};
}

std::vector<Finding> limits(const fs::path& root) {
  constexpr rlim_t kLockedEnough = rlim_t{1} << 30, kFilesEnough = 1024;
  const rlim_t locked = limit_of(RLIMIT_MEMLOCK), files = limit_of(RLIMIT_NOFILE);
  return {
      memory(root),
      memory_allowed(root),
      processors_allowed(root, allowed_processors(root / "sys/devices/system/cpu").logical),
      {"locked memory", limit_text(locked, kMebi, " MiB"),
       locked < kLockedEnough ? "only for --mlock: raise it with ulimit -l or LimitMEMLOCK=infinity" : ""},
      huge_pages(root),
      {"open files", limit_text(files, 1, ""),
       files < kFilesEnough ? "every connection takes one: raise it with ulimit -n 4096" : ""}};
}

}  // namespace fovea::doctor
