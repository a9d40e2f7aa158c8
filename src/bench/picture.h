#pragma once

#include <cstddef>
#include <vector>

namespace fovea::bench {

// The photo that the end-to-end figures are about: a card from a scanner.
inline constexpr int kPictureWidth = 1500;
inline constexpr int kPictureHeight = 2100;

/// A picture of that size, drawn and compressed the same every time, with edges, flat areas and grain, as a
/// JPEG (4:2:0, quality 90) of about the size that a camera would make of it.
std::vector<std::byte> make_jpeg();

}  // namespace fovea::bench
