#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "image/image.h"

namespace fovea::image {

struct DecodeLimits {
  std::uint64_t max_pixels = 100'000'000;  ///< width x height, checked before any pixel is decoded
};

/// Decodes JPEG, PNG or WebP (told by the first bytes, never by a name), applies the EXIF orientation, and
/// converts to RGB as Pillow does: palette and grey are expanded, CMYK and YCCK JPEGs converted with Pillow's
/// arithmetic, transparency composited as the Idefics3 image processor does. 16-bit channels keep their high
/// byte; an animated file gives its first frame.
///
/// Errors: kInvalidArgument (no bytes), kUnsupportedMedia (none of the three types), kInvalidImage (truncated
/// or damaged, zero width or height), kTooLarge (more pixels than the limit).
Result<Image> decode_image(std::span<const std::byte> bytes, const DecodeLimits& limits = {});

}  // namespace fovea::image
