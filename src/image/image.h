#pragma once

#include <cstdint>
#include <vector>

namespace fovea::image {

/// An 8-bit RGB picture: rows top to bottom, `rgb` holds [height, width, 3] without padding.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

}  // namespace fovea::image
