#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "kernels/kernels.h"
#include "kernels/portable/isa.h"
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/amx/isa.h"
#include "kernels/avx2/isa.h"
#include "kernels/avx512bf16/isa.h"
#include "kernels/avx512vnni/isa.h"
#include "kernels/avxvnni/isa.h"
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/neon/isa.h"
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
bool has_avx512vnni() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
bool has_avx512bf16() {
  return has_avx512vnni() && __builtin_cpu_supports("avx512bf16");
}

#if defined(FOVEA_EMULATE_ISA)
bool has_avxvnni() {
  return has_avx512vnni();
}
bool has_amx() {
  return has_avx512bf16();
}
#else

/// Leaf 7 of CPUID; `edx` of its first page or `eax` of its second.
struct Features {
  unsigned edx = 0, second_eax = 0;
};
Features features() {
  Features found;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return found;
  found.edx = edx;
  if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) found.second_eax = eax;
  return found;
}

bool has_avxvnni() {
  constexpr unsigned kAvxVnni = 1U << 4;
  return has_avx2() && (features().second_eax & kAvxVnni) != 0;
}
/// Linux gives tiles only to a process that asks, since they make its threads' saved state larger.
bool tiles_granted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
bool has_amx() {
  constexpr unsigned kTileBf16 = 1U << 22, kTiles = 1U << 24, kTileInt8 = 1U << 25;
  constexpr unsigned kAll = kTileBf16 | kTiles | kTileInt8;
  static const bool has = has_avx512bf16() && (features().edx & kAll) == kAll && tiles_granted();
  return has;
}
#endif

#elif defined(__aarch64__)

bool has_neon() {
  return (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}

#endif

// Slowest first: the last supported one is the default.
constexpr auto kTable = std::to_array<Entry>({
    {portable::make_kernels("portable"), [] { return true; }},
#if defined(__x86_64__)
    {avx2::make_kernels("avx2"), has_avx2},
    {avxvnni::make_kernels("avxvnni"), has_avxvnni},
    {avx512vnni::make_kernels("avx512vnni"), has_avx512vnni},
    {avx512bf16::make_kernels("avx512bf16"), has_avx512bf16},
    {amx::make_kernels("amx"), has_amx},
#elif defined(__aarch64__)
    {neon::make_kernels("neon"), has_neon},
#endif
});

/// Every name that FOVEA_ISA can have, on any processor.
constexpr auto kNames = std::to_array<std::string_view>(
    {"portable", "avx2", "avxvnni", "avx512vnni", "avx512bf16", "amx", "neon"});

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
    if (isa == entry.kernels.isa && entry.supported()) return &entry.kernels;
  }
  const bool known = std::ranges::find(kNames, isa) != kNames.end();
  return fail(ErrorCode::kUsage, fmt::format("FOVEA_ISA={}: {} instruction set; this processor has: {}", isa,
                                             known ? "this processor lacks that" : "unknown",
                                             fmt::join(supported_names(), ", ")));
}

Result<const Kernels*> active_kernels() {
  static const Result<const Kernels*> chosen = choose();
  return chosen;
}

}  // namespace fovea::kernels
