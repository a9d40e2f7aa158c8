#include "models/micro_cnn/preprocess.h"

#include <algorithm>
#include <cassert>
#include <span>

namespace fovea::models::micro_cnn {
namespace {

constexpr std::size_t kRgb = 3;

struct Range {
  std::size_t begin;
  std::size_t end;
};

Range source_range(std::size_t i, std::size_t side, std::size_t size) {
  const std::size_t begin = i * side / size;
  return {.begin = begin, .end = std::max((i + 1) * side / size, begin + 1)};
}

}  // namespace

std::vector<std::uint8_t> preprocess(const image::Image& image, std::size_t size) {
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  assert(width > 0 && height > 0 && std::max(width, height) <= 65'535 && size >= 16);
  const std::size_t side = std::min(width, height);
  const std::size_t left = (width - side) / 2;
  const std::size_t top = (height - side) / 2;
  std::vector<std::uint8_t> pixels(size * size * kRgb);
  // Rows are added up first, whole lines at a time; at most 4,096 bytes of 255 meet in one of these.
  std::vector<std::uint32_t> columns(side * kRgb);
  for (std::size_t y = 0; y < size; ++y) {
    const Range rows = source_range(y, side, size);
    std::ranges::fill(columns, 0U);
    for (std::size_t row = rows.begin; row < rows.end; ++row) {
      const std::span line =
          std::span(image.rgb).subspan(((top + row) * width + left) * kRgb, columns.size());
      for (std::size_t i = 0; i < columns.size(); ++i) columns[i] += line[i];
    }
    for (std::size_t x = 0; x < size; ++x) {
      const Range taken = source_range(x, side, size);
      assert(rows.begin < rows.end && taken.begin < taken.end);  // as source_range() gives them
      const auto count = static_cast<std::uint32_t>((rows.end - rows.begin) * (taken.end - taken.begin));
      for (std::size_t c = 0; c < kRgb; ++c) {
        std::uint32_t sum = count / 2;
        for (std::size_t column = taken.begin; column < taken.end; ++column) {
          sum += columns[column * kRgb + c];
        }
        pixels[(y * size + x) * kRgb + c] = static_cast<std::uint8_t>(sum / count);
      }
    }
  }
  return pixels;
}

}  // namespace fovea::models::micro_cnn
