#include "image/sharpness.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fovea::image {
namespace {

/// Rec. 601 luma in 256ths.
std::vector<std::int32_t> brightness(const Image& image) {
  std::vector<std::int32_t> luma(image.rgb.size() / 3);
  for (std::size_t i = 0; i < luma.size(); ++i) {
    luma[i] = 77 * image.rgb[3 * i] + 150 * image.rgb[3 * i + 1] + 29 * image.rgb[3 * i + 2];
  }
  return luma;
}

}  // namespace

double sharpness(const Image& image) {
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  if (width < 3 || height < 3) return 0;
  const std::vector<std::int32_t> luma = brightness(image);
  double sum = 0;
  double squares = 0;
  for (std::size_t y = 1; y + 1 < height; ++y) {
    for (std::size_t x = 1; x + 1 < width; ++x) {
      const std::int32_t* at = luma.data() + y * width + x;
      const double value = (at[-1] + at[1] + *(at - width) + at[width] - 4 * *at) / 256.0;
      sum += value;
      squares += value * value;
    }
  }
  const double count = static_cast<double>((width - 2) * (height - 2));
  const double mean = sum / count;
  return squares / count - mean * mean;
}

}  // namespace fovea::image
