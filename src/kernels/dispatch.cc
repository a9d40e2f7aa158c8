#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdlib>
#include <string>

#include "kernels/kernels.h"
#include "kernels/portable/isa.h"
#if defined(__x86_64__)
#include "kernels/avx2/isa.h"
#include "kernels/avx512bf16/isa.h"
#endif

namespace fovea::kernels {
namespace {

struct Entry {
  Kernels kernels;
  bool (*supported)();
};

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool has_avx512bf16() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
}
#endif

// Slowest first: the last supported one is the default.
constexpr auto kTable = std::to_array<Entry>({
    {portable::make_kernels("portable"), [] { return true; }},
#if defined(__x86_64__)
    {avx2::make_kernels("avx2"), has_avx2},
    {avx512bf16::make_kernels("avx512bf16"), has_avx512bf16},
#endif
});

std::vector<std::string> supported_names() {
  std::vector<std::string> names;
  for (const Kernels* kernels : supported_kernels()) names.emplace_back(kernels->isa);
  return names;
}

Result<const Kernels*> choose() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read once; nothing here sets the environment
  const char* wanted = std::getenv("FOVEA_ISA");
  if (wanted != nullptr && *wanted != '\0') return find_kernels(wanted);
  return supported_kernels().back();
}

}  // namespace

std::vector<const Kernels*> supported_kernels() {
  std::vector<const Kernels*> found;
  for (const Entry& entry : kTable) {
    if (entry.supported()) found.push_back(&entry.kernels);
  }
  return found;
}

Result<const Kernels*> find_kernels(std::string_view isa) {
  for (const Entry& entry : kTable) {
    if (isa != entry.kernels.isa) continue;
    if (entry.supported()) return &entry.kernels;
    return fail(ErrorCode::kUsage,
                fmt::format("FOVEA_ISA={}: this processor lacks that instruction set; it has: {}", isa,
                            fmt::join(supported_names(), ", ")));
  }
  return fail(ErrorCode::kUsage,
              fmt::format("FOVEA_ISA={}: unknown instruction set; this processor can use: {}", isa,
                          fmt::join(supported_names(), ", ")));
}

Result<const Kernels*> active_kernels() {
  static const Result<const Kernels*> chosen = choose();
  return chosen;
}

}  // namespace fovea::kernels
