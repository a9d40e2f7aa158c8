#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "image/decode.h"

/// Any bytes give a picture within the limits or an error with a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fovea::image::DecodeLimits limits{.max_pixels = 1'000'000};
  const auto image = fovea::image::decode_image(std::as_bytes(std::span(data, size)), limits);
  if (!image) {
    if (image.error().message.empty()) std::abort();
    return 0;
  }
  const auto width = static_cast<std::uint64_t>(image->width);
  const auto height = static_cast<std::uint64_t>(image->height);
  if (width == 0 || height == 0 || width * height > limits.max_pixels) std::abort();
  if (image->rgb.size() != 3 * width * height) std::abort();
  return 0;
}
