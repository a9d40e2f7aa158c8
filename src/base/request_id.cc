#include "base/request_id.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <random>

namespace fovea {

std::string make_request_id() {
  static const std::uint64_t process_part = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
  }();
  static std::atomic<std::uint64_t> next{1};
  return fmt::format("{:016x}-{:06x}", process_part, next.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace fovea
