#pragma once

#include <cstddef>
#include <span>

#include "image/image.h"

namespace fovea::image {

/// The orientation, 1 to 8, that an EXIF block states: a TIFF structure, with or without "Exif\0\0" before
/// it. 1 when the block is broken, has no such tag or an impossible value: a picture is not refused for its
/// EXIF.
int exif_orientation(std::span<const std::byte> exif);

/// Turns and mirrors a stored picture so that it stands as EXIF `orientation` (1 to 8) says it was seen.
Image apply_orientation(Image stored, int orientation);

}  // namespace fovea::image
