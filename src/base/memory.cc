#include "base/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace fovea {
namespace {

constexpr std::uintptr_t kHugePage = std::uintptr_t{2} << 20;
constexpr int kCollapse = 25;  // MADV_COLLAPSE of Linux 6.1, which Debian 12's headers lack

struct Range {
  std::uintptr_t begin, end;
};

/// What the process may read, in whole huge pages.
std::vector<Range> large_ranges() {
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char readable = '-';
    if (std::sscanf(line.c_str(), "%lx-%lx %c", &begin, &end, &readable) != 3 || readable != 'r') continue;
    const Range range{(begin + kHugePage - 1) / kHugePage * kHugePage, end / kHugePage * kHugePage};
    if (range.begin < range.end) ranges.push_back(range);
  }
  return ranges;
}

std::string system_message(int number) {
  return std::error_code(number, std::generic_category()).message();
}

}  // namespace

Result<void> lock_memory() {
  if (::mlockall(MCL_CURRENT) == 0) return {};
  const int number = errno;
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  return fail(
      ErrorCode::kIo,
      fmt::format("memory is not locked: {}; at most {} KiB may be locked here, raise it with ulimit -l "
                  "or LimitMEMLOCK",
                  system_message(number), limit.rlim_cur / 1024));
}

Result<std::size_t> use_huge_pages() {
  std::size_t agreed = 0;
  int number = 0;
  for (const Range& range : large_ranges()) {
    void* begin =
        reinterpret_cast<void*>(range.begin);  // NOLINT(performance-no-int-to-ptr): the kernel's text
    const std::size_t bytes = range.end - range.begin;
    // The advice is for pages to come and for the kernel's own sweeps; collapsing is at once, where it is
    // known.
    if (::madvise(begin, bytes, MADV_HUGEPAGE) == 0 || ::madvise(begin, bytes, kCollapse) == 0) {
      ::madvise(begin, bytes, kCollapse);
      agreed += bytes;
    } else {
      number = errno;
    }
  }
  if (agreed > 0) return agreed;
  return fail(ErrorCode::kIo,
              fmt::format("no huge pages: {}; see /sys/kernel/mm/transparent_hugepage/enabled",
                          number == 0 ? "nothing of 2 MiB is held" : system_message(number)));
}

}  // namespace fovea
