#include "kernels/resample.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

namespace fovea::kernels::portable {
namespace {

// Sums wrap as those of every set do; a sum that counts never leaves 32 bits.
constexpr std::uint32_t kHalf = 1U << (kResampleFractionBits - 1);

/// Weight `tap` of groups of four.
std::uint32_t weight_at(const std::int16_t* weights, std::size_t tap) {
  const std::int16_t* group = weights + tap / kResampleGroup * 2 * kResampleGroup + tap % kResampleGroup;
  return (static_cast<std::uint32_t>(group[0]) << kResampleLowerBits) +
         static_cast<std::uint32_t>(group[kResampleGroup]);
}

std::uint8_t to_byte(std::uint32_t sum) {
  return static_cast<std::uint8_t>(
      std::clamp(static_cast<std::int32_t>(sum) >> kResampleFractionBits, 0, 255));
}

// Both passes are the same sum: a run of neighbouring bytes times one weight, added up over taps. The width
// is fixed so that the sums stay in vector registers.
constexpr std::size_t kLanes = 48;

template <class Count>
void weighted_sum(const std::uint8_t* source, std::size_t stride, std::size_t taps,
                  const std::int16_t* weights, std::uint8_t* out, Count lanes) {
  std::array<std::uint32_t, kLanes> sums;
  sums.fill(kHalf);
  for (std::size_t tap = 0; tap < taps; ++tap, source += stride) {
    const std::uint32_t weight = weight_at(weights, tap);
    for (std::size_t i = 0; i < lanes; ++i) sums[i] += weight * source[i];
  }
  for (std::size_t i = 0; i < lanes; ++i) out[i] = to_byte(sums[i]);
}

constexpr std::integral_constant<std::size_t, kLanes> kAllLanes;

void blend_rows(const BlendRows& blend) {
  std::size_t at = 0;
  for (; at + kLanes <= blend.bytes; at += kLanes) {
    weighted_sum(blend.source + at, blend.stride, blend.rows, blend.weights, blend.out + at, kAllLanes);
  }
  weighted_sum(blend.source + at, blend.stride, blend.rows, blend.weights, blend.out + at, blend.bytes - at);
}

/// Works on blocks of 16 rows, transposed, so that a sum along a row becomes a sum over runs of 16 bytes for
/// each of the three channels.
void blend_pixels(const BlendPixels& blend) {
  constexpr std::size_t kBlock = kLanes / 3;
  std::vector<std::uint8_t> transposed(blend.source_width * kLanes);
  std::array<std::uint8_t, kLanes> pixel;
  for (std::size_t top = 0; top < blend.rows; top += kBlock) {
    const std::size_t rows = std::min(kBlock, blend.rows - top);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::uint8_t* from = blend.source + (top + row) * blend.source_stride;
      for (std::size_t i = 0; i < 3 * blend.source_width; ++i) transposed[i * kBlock + row] = from[i];
    }
    for (std::size_t x = 0; x < blend.width; ++x) {
      const auto first = static_cast<std::size_t>(blend.first[x]);
      weighted_sum(transposed.data() + first * kLanes, kLanes,
                   std::min(blend.groups * kResampleGroup, blend.source_width - first),
                   blend.weights + x * blend.groups * 2 * kResampleGroup, pixel.data(), kAllLanes);
      for (std::size_t row = 0; row < rows; ++row) {
        std::uint8_t* to = blend.out + (top + row) * blend.out_stride + 3 * x;
        for (std::size_t c = 0; c < 3; ++c) to[c] = pixel[c * kBlock + row];
      }
    }
  }
}

}  // namespace

ResampleKernels resample_kernels() {
  return {.blend_rows = blend_rows, .blend_pixels = blend_pixels};
}

}  // namespace fovea::kernels::portable
