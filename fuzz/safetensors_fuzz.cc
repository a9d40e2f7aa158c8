// The safetensors reader on arbitrary files: whatever it accepts must lie inside the file, hold what its
// shape says, and not overlap; whatever it refuses must be refused with a short message.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tensor/safetensors.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A file in memory, opened by its path as any other.
  const int file = ::memfd_create("fuzz", 0);
  require(file >= 0 && ::write(file, data, size) == static_cast<ssize_t>(size));
  const auto opened = fovea::tensor::SafeTensors::open("/proc/self/fd/" + std::to_string(file));
  ::close(file);
  if (!opened) {
    require(opened.error().code == fovea::ErrorCode::kInvalidModel);
    require(opened.error().message.size() < 2000);
    (void)nlohmann::json(opened.error().message).dump();  // throws where the message is not UTF-8
    return 0;
  }
  std::size_t total = 0;
  unsigned sum = 0;
  for (const auto& [name, tensor] : opened->tensors()) {
    std::size_t elements = 1;
    for (const std::size_t extent : tensor.shape) elements *= extent;
    require(elements * fovea::tensor::dtype_size(tensor.dtype) == tensor.bytes.size());
    total += tensor.bytes.size();
    for (const std::byte byte : tensor.bytes) sum += static_cast<unsigned>(byte);  // reads them all
  }
  require(total <= size && sum <= 255 * total);
  return 0;
}
