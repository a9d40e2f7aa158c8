#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fovea::bench {

// The request that the end-to-end figures are about: a photo of a card from a scanner, a question, and so
// many tokens of an answer.
inline constexpr int kPictureWidth = 1500;
inline constexpr int kPictureHeight = 2100;
inline constexpr const char* kQuestion = "Read this trading card.";
inline constexpr std::size_t kNewTokens = 64;

inline constexpr std::uint64_t kPictureSeed = 7;

/// A picture of that size, drawn and compressed the same every time, with edges, flat areas and grain, as a
/// JPEG (4:2:0, quality 90) of about the size that a camera would make of it. Another seed gives other grain,
/// so that no part of the two pictures is the same.
std::vector<std::byte> make_jpeg(std::uint64_t seed = kPictureSeed);

}  // namespace fovea::bench
