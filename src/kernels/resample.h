#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fovea::kernels {

// Weighted sums of pixels, for resizing. A weight is a fixed-point number with kResampleFractionBits, held as
// upper * 2^12 + lower with 0 <= lower < 2^12: both parts fit the 16-bit products that every set has. Weights
// stand in groups of four, [groups, 8]: four upper parts, then four lower parts; missing ones are zero. Sums
// are those of 32-bit integers, so every set gives the same bytes.
inline constexpr int kResampleFractionBits = 22;
inline constexpr int kResampleLowerBits = 12;
inline constexpr std::size_t kResampleGroup = 4;

/// out[i] = the sum over rows of weight * source[row * stride + i], rounded and clamped to a byte.
struct BlendRows {
  const std::uint8_t* source;
  std::size_t stride;           ///< bytes from row to row
  std::size_t rows;             ///< at least 1
  const std::int16_t* weights;  ///< [groups of the rows, 8]
  std::uint8_t* out;
  std::size_t bytes;  ///< of a row that are computed
};

/// RGB pixel x of every row: the sum over taps of weights[x] * source pixel first[x] + tap, rounded and
/// clamped.
struct BlendPixels {
  const std::uint8_t* source;
  std::size_t source_stride;    ///< bytes
  std::size_t source_width;     ///< pixels; taps past it have weight zero and are not read
  const std::int32_t* first;    ///< [width], inside the row
  const std::int16_t* weights;  ///< [width, groups, 8]
  std::size_t groups;
  std::uint8_t* out;
  std::size_t out_stride;  ///< bytes
  std::size_t width;       ///< pixels
  std::size_t rows;
};

/// One thread each, no state.
struct ResampleKernels {
  void (*blend_rows)(const BlendRows& blend);
  void (*blend_pixels)(const BlendPixels& blend);
};

/// For a set that this processor can run. Sets without a form of their own take that of a smaller one.
ResampleKernels resample_kernels(const Kernels& kernels);

}  // namespace fovea::kernels
