#pragma once

#include <gtest/gtest.h>
#include <webp/encode.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/decode.h"

namespace fovea::test {

/// A WebP file that holds exactly these pixels.
inline std::vector<std::byte> as_lossless_webp(const image::Image& picture) {
  std::uint8_t* buffer = nullptr;
  const std::size_t size =
      WebPEncodeLosslessRGB(picture.rgb.data(), picture.width, picture.height, 3 * picture.width, &buffer);
  EXPECT_NE(size, 0U);
  const auto* bytes = reinterpret_cast<const std::byte*>(buffer);
  std::vector<std::byte> file(bytes, bytes + size);
  WebPFree(buffer);
  return file;
}

}  // namespace fovea::test
