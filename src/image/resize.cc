#include "image/resize.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numbers>
#include <optional>
#include <vector>

#include "image/codecs.h"
#include "kernels/kernels.h"
#include "kernels/resample.h"

namespace fovea::image {
namespace {

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

/// For every output position of one axis: the first input position and the fixed-point weights from there on,
/// in the groups that kernels take.
class Taps {
 public:
  Taps(int input, int output, const Kernel& kernel) {
    const double scale = static_cast<double>(input) / output;
    const double stretch = std::max(scale, 1.0);  // shrinking widens the filter, enlarging does not narrow it
    const double support = kernel.support * stretch;
    const double inverse = 1.0 / stretch;  // Pillow multiplies by it, which rounds differently from dividing
    const auto outputs = static_cast<std::size_t>(output);
    const auto low_of = [&](double center) { return std::max(0, truncate(center - support + 0.5)); };
    const auto high_of = [&](double center) { return std::min(input, truncate(center + support + 0.5)); };
    for (int i = 0; i < output; ++i) {
      const double center = (i + 0.5) * scale;
      first_.push_back(low_of(center));
      counts_.push_back(static_cast<std::size_t>(high_of(center) - low_of(center)));
    }
    groups_ = (std::ranges::max(counts_) + kGroup - 1) / kGroup;
    weights_.resize(outputs * groups_ * 2 * kGroup);
    std::vector<double> exact;
    for (std::size_t i = 0; i < outputs; ++i) {
      const double center = (static_cast<double>(i) + 0.5) * scale;
      exact.clear();
      double sum = 0.0;
      for (std::size_t tap = 0; tap < counts_[i]; ++tap) {
        const int position = first_[i] + static_cast<int>(tap);
        exact.push_back(kernel.weight((position - center + 0.5) * inverse));
        sum += exact.back();
      }
      for (std::size_t tap = 0; tap < counts_[i]; ++tap) {
        set_weight(i, tap, fixed_point(sum == 0.0 ? exact[tap] : exact[tap] / sum));
      }
    }
  }

  [[nodiscard]] std::size_t first(std::size_t output) const {
    return static_cast<std::size_t>(first_[output]);
  }
  [[nodiscard]] std::size_t count(std::size_t output) const { return counts_[output]; }
  [[nodiscard]] const std::int32_t* firsts() const { return first_.data(); }
  [[nodiscard]] std::size_t groups() const { return groups_; }
  [[nodiscard]] const std::int16_t* weights(std::size_t output) const {
    return weights_.data() + output * groups_ * 2 * kGroup;
  }

 private:
  static constexpr std::size_t kGroup = kernels::kResampleGroup;

  /// Rounds half away from zero.
  static std::int32_t fixed_point(double weight) {
    const double scaled = weight * (1 << kernels::kResampleFractionBits);
    return static_cast<std::int32_t>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
  }
  void set_weight(std::size_t output, std::size_t tap, std::int32_t weight) {
    std::int16_t* group = weights_.data() + (output * groups_ + tap / kGroup) * 2 * kGroup + tap % kGroup;
    group[0] = static_cast<std::int16_t>(weight >> kernels::kResampleLowerBits);
    group[kGroup] = static_cast<std::int16_t>(weight & ((1 << kernels::kResampleLowerBits) - 1));
  }

  std::vector<std::int32_t> first_;
  std::vector<std::size_t> counts_;
  std::size_t groups_ = 0;
  std::vector<std::int16_t> weights_;
};

/// Those of the chosen set. Where the choice is an error, whoever opens a model says so.
const kernels::ResampleKernels& resampler() {
  static const kernels::ResampleKernels chosen = [] {
    const auto active = kernels::active_kernels();
    return kernels::resample_kernels(active ? **active : *kernels::supported_kernels().front());
  }();
  return chosen;
}

void for_each(WorkerTeam* team, std::size_t count, const std::function<void(std::size_t)>& body) {
  if (team != nullptr) return team->parallel_for(count, body);
  for (std::size_t i = 0; i < count; ++i) body(i);
}

std::size_t row_bytes(const Image& image) {
  return std::size_t{3} * static_cast<std::size_t>(image.width);
}

/// Rows `top` ... `top + rows - 1` of the source made `width` pixels wide, one after the other in `out`.
void blend_rows_of(const Image& source, const Taps& columns, std::size_t top, std::size_t rows, int width,
                   std::uint8_t* out) {
  resampler().blend_pixels({.source = source.rgb.data() + top * row_bytes(source),
                            .source_stride = row_bytes(source),
                            .source_width = static_cast<std::size_t>(source.width),
                            .first = columns.firsts(),
                            .weights = columns.weights(0),
                            .groups = columns.groups(),
                            .out = out,
                            .out_stride = std::size_t{3} * width,
                            .width = static_cast<std::size_t>(width),
                            .rows = rows});
}

constexpr std::size_t kBand = 32;  // rows of one task: few enough for the cache, enough to share their taps

/// Bands of the result, each with the widened rows that it is made of. `columns` or `rows` is null where that
/// axis keeps its size.
Image resize_bands(const Image& source, int width, int height, const Taps* columns, const Taps* rows,
                   WorkerTeam* team) {
  Image result = make_image(width, height);
  const std::size_t bytes = row_bytes(result);
  const auto all = static_cast<std::size_t>(height);
  for_each(team, (all + kBand - 1) / kBand, [&](std::size_t band) {
    const std::size_t top = band * kBand;
    const std::size_t end = std::min(all, top + kBand);
    std::uint8_t* out = result.rgb.data() + top * bytes;
    if (rows == nullptr) return blend_rows_of(source, *columns, top, end - top, width, out);
    const std::size_t first = rows->first(top);
    const std::size_t needed = rows->first(end - 1) + rows->count(end - 1) - first;
    const std::uint8_t* wide = source.rgb.data() + first * bytes;
    std::unique_ptr<std::uint8_t[]> widened;
    if (columns != nullptr) {
      widened = std::make_unique_for_overwrite<std::uint8_t[]>(needed * bytes);
      blend_rows_of(source, *columns, first, needed, width, widened.get());
      wide = widened.get();
    }
    for (std::size_t y = top; y < end; ++y, out += bytes) {
      resampler().blend_rows({.source = wide + (rows->first(y) - first) * bytes,
                              .stride = bytes,
                              .rows = rows->count(y),
                              .weights = rows->weights(y),
                              .out = out,
                              .bytes = bytes});
    }
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
  std::optional<Taps> columns, rows;
  if (width != source.width) columns.emplace(source.width, width, kernel);
  if (height != source.height) rows.emplace(source.height, height, kernel);
  return resize_bands(source, width, height, columns ? &*columns : nullptr, rows ? &*rows : nullptr, team);
}

}  // namespace fovea::image
