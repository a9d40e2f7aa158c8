#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "image/image.h"

namespace fovea::image {

/// What is decoded at most. Sizes are those that the header states, judged before memory is taken for pixels.
/// What callers should read at most of one picture file.
inline constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;

struct DecodeLimits {
  std::uint64_t max_pixels = 100'000'000;  ///< width x height
  std::uint64_t max_side = 65'535;         ///< width and height each; JPEG and WebP cannot have more
  /// Width x height x scans of a JPEG: each scan of a progressive one walks over the whole picture.
  std::uint64_t max_scan_pixels = 2'000'000'000;
};

/// Decodes JPEG, PNG or WebP, told by the first bytes and never by a name, as an upright RGB picture.
///
/// Pixels are those of Pillow's `ImageOps.exif_transpose(Image.open(...)).convert("RGB")`, which is how the
/// reference image processors load a picture:
/// - palette and grey of 1 to 8 bits are expanded; CMYK and YCCK JPEGs take Pillow's arithmetic;
/// - alpha and PNG's transparent colour are left out: what lies under them shows, nothing is composited;
/// - an animated file gives its first frame, on its canvas;
/// - the EXIF orientation (JPEG APP1, PNG eXIf, WebP EXIF) is applied; broken EXIF is ignored.
/// One difference is meant: 16-bit grey PNG keeps its high byte, where Pillow clips it to white.
///
/// Damage inside a JPEG's compressed data that its decoder survives is passed over, as Pillow does; a file
/// that ends early is always an error.
///
/// Errors: kInvalidArgument (no bytes), kUnsupportedMedia (none of the three types), kInvalidImage (truncated
/// or damaged, zero width or height, too many JPEG scans), kTooLarge (over a limit). Thread-safe.
Result<Image> decode_image(std::span<const std::byte> bytes, const DecodeLimits& limits = {});

}  // namespace fovea::image
