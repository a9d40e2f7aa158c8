#include "image/resize.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numbers>
#include <span>
#include <type_traits>
#include <vector>

#include "image/codecs.h"

namespace fovea::image {
namespace {

constexpr int kFractionBits = 22;  // of a fixed-point tap: 32 less 8 of the pixel and 2 of headroom

double sinc(double x) {
  if (x == 0.0) return 1.0;
  const double angle = x * std::numbers::pi;
  return std::sin(angle) / angle;
}

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double bilinear(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

/// Pillow writes the window's constants as floats, which shows in a few pixels.
double hamming(double x) {
  const double distance = std::abs(x);
  if (distance == 0.0) return 1.0;
  if (distance >= 1.0) return 0.0;
  const double angle = distance * std::numbers::pi;
  return std::sin(angle) / angle * (0.54F + 0.46F * std::cos(angle));
}

/// Keys' cubic with a = -0.5.
double bicubic(double x) {
  constexpr double kA = -0.5;
  const double d = std::abs(x);
  if (d < 1.0) return ((kA + 2.0) * d - (kA + 3.0)) * d * d + 1.0;
  if (d < 2.0) return (((d - 5.0) * d + 8.0) * d - 4.0) * kA;
  return 0.0;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

struct Kernel {
  double (*weight)(double);
  double support;  ///< half the width outside of which the weight is zero, in source pixels at scale 1
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return {box, 0.5};
    case Filter::kBilinear:
      return {bilinear, 1.0};
    case Filter::kHamming:
      return {hamming, 1.0};
    case Filter::kBicubic:
      return {bicubic, 2.0};
    default:
      return {lanczos, 3.0};
  }
}

/// Toward zero, which is how Pillow finds the ends of a filter.
int truncate(double position) {
  return static_cast<int>(position);
}

/// For every output position of one axis: the first input position and the fixed-point weights from there on.
class Taps {
 public:
  Taps(int input, int output, const Kernel& kernel) {
    const double scale = static_cast<double>(input) / output;
    const double stretch = std::max(scale, 1.0);  // shrinking widens the filter, enlarging does not narrow it
    const double support = kernel.support * stretch;
    const double inverse = 1.0 / stretch;  // Pillow multiplies by it, which rounds differently from dividing
    first_.reserve(static_cast<std::size_t>(output));
    ends_.reserve(static_cast<std::size_t>(output));
    std::vector<double> exact;
    for (int i = 0; i < output; ++i) {
      const double center = (i + 0.5) * scale;
      const int low = std::max(0, truncate(center - support + 0.5));
      const int high = std::min(input, truncate(center + support + 0.5));
      exact.clear();
      double sum = 0.0;
      for (int j = low; j < high; ++j) {
        exact.push_back(kernel.weight((j - center + 0.5) * inverse));
        sum += exact.back();
      }
      for (const double weight : exact) weights_.push_back(fixed_point(sum == 0.0 ? weight : weight / sum));
      first_.push_back(low);
      ends_.push_back(weights_.size());
    }
  }

  [[nodiscard]] int first(std::size_t output) const { return first_[output]; }
  [[nodiscard]] std::span<const std::int32_t> weights(std::size_t output) const {
    const std::size_t begin = output == 0 ? 0 : ends_[output - 1];
    return std::span(weights_).subspan(begin, ends_[output] - begin);
  }

 private:
  /// Rounds half away from zero.
  static std::int32_t fixed_point(double weight) {
    const double scaled = weight * (1 << kFractionBits);
    return static_cast<std::int32_t>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
  }

  std::vector<int> first_;
  std::vector<std::size_t> ends_;
  std::vector<std::int32_t> weights_;
};

// Both passes are the same sum: a run of neighbouring bytes times one weight, added up over taps that lie
// `stride` bytes apart. The width is fixed so that the sums stay in vector registers.
constexpr std::size_t kLanes = 48;

template <class Count>
void weighted_sum(const std::uint8_t* source, std::size_t stride, std::span<const std::int32_t> weights,
                  std::uint8_t* out, Count lanes) {
  std::array<std::int32_t, kLanes> sums;
  sums.fill(1 << (kFractionBits - 1));
  for (const std::int32_t weight : weights) {
    for (std::size_t i = 0; i < lanes; ++i) sums[i] += weight * source[i];
    source += stride;
  }
  for (std::size_t i = 0; i < lanes; ++i) {
    out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kFractionBits, 0, 255));
  }
}

constexpr std::integral_constant<std::size_t, kLanes> kAllLanes;

void for_each(WorkerTeam* team, std::size_t count, const std::function<void(std::size_t)>& body) {
  if (team != nullptr) return team->parallel_for(count, body);
  for (std::size_t i = 0; i < count; ++i) body(i);
}

/// Works on blocks of 16 rows, transposed, so that a sum along a row becomes a sum over runs of 16 bytes for
/// each of the three channels.
Image resize_rows(const Image& source, int width, const Kernel& kernel, WorkerTeam* team) {
  constexpr std::size_t kBlock = kLanes / 3;
  const Taps taps(source.width, width, kernel);
  Image result = make_image(width, source.height);
  const auto height = static_cast<std::size_t>(source.height);
  const std::size_t source_row = std::size_t{3} * source.width;
  const std::size_t result_row = std::size_t{3} * width;
  for_each(team, (height + kBlock - 1) / kBlock, [&](std::size_t block) {
    const std::size_t top = block * kBlock;
    const std::size_t rows = std::min(kBlock, height - top);
    std::vector<std::uint8_t> transposed(source_row * kBlock);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::uint8_t* from = source.rgb.data() + (top + row) * source_row;
      for (std::size_t i = 0; i < source_row; ++i) transposed[i * kBlock + row] = from[i];
    }
    std::array<std::uint8_t, kLanes> pixel;
    for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
      weighted_sum(transposed.data() + static_cast<std::size_t>(taps.first(x)) * kLanes, kLanes,
                   taps.weights(x), pixel.data(), kAllLanes);
      for (std::size_t row = 0; row < rows; ++row) {
        std::uint8_t* to = result.rgb.data() + (top + row) * result_row + 3 * x;
        for (std::size_t c = 0; c < 3; ++c) to[c] = pixel[c * kBlock + row];
      }
    }
  });
  return result;
}

Image resize_columns(const Image& source, int height, const Kernel& kernel, WorkerTeam* team) {
  const Taps taps(source.height, height, kernel);
  Image result = make_image(source.width, height);
  const std::size_t row_bytes = std::size_t{3} * source.width;
  for_each(team, static_cast<std::size_t>(height), [&](std::size_t y) {
    const std::uint8_t* from = source.rgb.data() + static_cast<std::size_t>(taps.first(y)) * row_bytes;
    std::uint8_t* to = result.rgb.data() + y * row_bytes;
    std::size_t at = 0;
    for (; at + kLanes <= row_bytes; at += kLanes) {
      weighted_sum(from + at, row_bytes, taps.weights(y), to + at, kAllLanes);
    }
    weighted_sum(from + at, row_bytes, taps.weights(y), to + at, row_bytes - at);
  });
  return result;
}

/// The source position of every output position. Pillow adds up the step instead of multiplying, which can
/// round to another pixel.
std::vector<int> nearest_positions(int input, int output) {
  const double step = static_cast<double>(input) / output;
  std::vector<int> positions;
  positions.reserve(static_cast<std::size_t>(output));
  double position = step * 0.5;
  for (int i = 0; i < output; ++i, position += step) {
    positions.push_back(std::min(static_cast<int>(position), input - 1));
  }
  return positions;
}

Image resize_nearest(const Image& source, int width, int height) {
  const std::vector<int> columns = nearest_positions(source.width, width);
  Image result = make_image(width, height);
  std::uint8_t* out = result.rgb.data();
  for (const int row : nearest_positions(source.height, height)) {
    const std::uint8_t* from = source.rgb.data() + std::size_t{3} * source.width * row;
    for (const int column : columns) {
      std::memcpy(out, from + std::ptrdiff_t{3} * column, 3);
      out += 3;
    }
  }
  return result;
}

}  // namespace

Image resize(const Image& source, int width, int height, Filter filter, WorkerTeam* team) {
  assert(source.width >= 1 && source.height >= 1 && width >= 1 && height >= 1);
  if (width == source.width && height == source.height) return source;
  if (filter == Filter::kNearest) return resize_nearest(source, width, height);
  const Kernel kernel = kernel_of(filter);
  if (width == source.width) return resize_columns(source, height, kernel, team);
  Image wide = resize_rows(source, width, kernel, team);
  if (height == source.height) return wide;
  return resize_columns(wide, height, kernel, team);
}

}  // namespace fovea::image
