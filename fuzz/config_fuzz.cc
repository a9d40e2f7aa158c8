// Configuration files: none ends the process, and what is refused says where.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config =
      fovea::config::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.toml", "/etc/fovea");
  if (!config && !config.error().message.starts_with("fuzz.toml:")) std::abort();
  return 0;
}
