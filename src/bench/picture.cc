#include "bench/picture.h"

// clang-format off: jpeglib.h uses FILE and size_t without including them
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>

#include "synth/random.h"

namespace fovea::bench {
namespace {

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
}

/// One row: coloured waves in a frame, strokes like small print on its lower third, grain everywhere.
void draw_row(int y, synth::Random& random, std::span<JSAMPLE> row) {
  constexpr int kMargin = 75;
  constexpr float kGrain = 5;
  const bool printed = y > kPictureHeight * 2 / 3 && y % 42 < 24;
  for (int x = 0; x < kPictureWidth; ++x) {
    const auto fx = static_cast<float>(x), fy = static_cast<float>(y);
    float red = 128 + 90 * std::sin(fx / 83) * std::cos(fy / 119);
    float green = 128 + 90 * std::sin((fx + fy) / 141);
    float blue = 128 + 90 * std::cos(fx / 67 - fy / 203);
    const bool outside =
        x < kMargin || y < kMargin || x >= kPictureWidth - kMargin || y >= kPictureHeight - kMargin;
    if (outside) red = green = blue = 235;
    const bool stroke = printed && (x * 7 + (y / 42) * 13) % 29 < 9 && (x + y) % 23 < 15;
    if (stroke && !outside) red = green = blue = 25;
    const float grain = kGrain * random.normal();
    row[3 * static_cast<std::size_t>(x)] = to_byte(red + grain);
    row[3 * static_cast<std::size_t>(x) + 1] = to_byte(green + grain);
    row[3 * static_cast<std::size_t>(x) + 2] = to_byte(blue + grain);
  }
}

}  // namespace

std::vector<std::byte> make_jpeg(std::uint64_t seed) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = kPictureWidth;
  info.image_height = kPictureHeight;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  jpeg_start_compress(&info, TRUE);
  synth::Random random(seed);
  std::vector<JSAMPLE> row(std::size_t{3} * kPictureWidth);
  for (int y = 0; y < kPictureHeight; ++y) {
    draw_row(y, random, row);
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto bytes = std::as_bytes(std::span(memory, size));
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc): the library took it with malloc
  return file;
}

}  // namespace fovea::bench
