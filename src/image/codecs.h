#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "image/decode.h"
#include "image/image.h"

// What decode.cc and the three codecs share; nothing outside this room includes it.
namespace fovea::image {

/// A picture as its file stores it, before the orientation is applied.
struct StoredImage {
  Image image;
  int orientation = 1;  ///< EXIF's 1 to 8
};

/// Each decodes one type whose first bytes were already recognised. Errors: as decode_image.
Result<StoredImage> decode_jpeg(std::span<const std::byte> bytes, const DecodeLimits& limits);
Result<StoredImage> decode_png(std::span<const std::byte> bytes, const DecodeLimits& limits);
Result<StoredImage> decode_webp(std::span<const std::byte> bytes, const DecodeLimits& limits);

/// Judges the size that a header of `type` ("JPEG", …) states, before anything is allocated for it. Errors:
/// kInvalidImage for a zero side, kTooLarge.
Result<void> check_size(std::string_view type, std::uint64_t width, std::uint64_t height,
                        const DecodeLimits& limits);

/// A black image of this size.
Image make_image(int width, int height);

}  // namespace fovea::image
