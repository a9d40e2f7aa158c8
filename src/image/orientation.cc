#include "image/orientation.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "image/codecs.h"

namespace fovea::image {
namespace {

constexpr std::size_t kTiffHeaderBytes = 8;
constexpr std::size_t kEntryBytes = 12;
constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kTypeShort = 3;
constexpr std::uint32_t kTypeLong = 4;

/// Reads the integers of a TIFF structure in its own byte order; the caller keeps offsets inside the block.
class TiffBytes {
 public:
  TiffBytes(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  [[nodiscard]] std::uint32_t u16(std::size_t at) const { return number(at, 2); }
  [[nodiscard]] std::uint32_t u32(std::size_t at) const { return number(at, 4); }

 private:
  [[nodiscard]] std::uint32_t number(std::size_t at, std::size_t count) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at + (big_endian_ ? i : count - 1 - i)]);
    }
    return value;
  }

  std::span<const std::byte> bytes_;
  bool big_endian_;
};

bool starts_with(std::span<const std::byte> bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

}  // namespace

int exif_orientation(std::span<const std::byte> exif) {
  // Some writers put the JPEG segment's prefix into PNG and WebP chunks too, or twice.
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  while (starts_with(exif, kPrefix)) exif = exif.subspan(kPrefix.size());

  const bool big_endian = starts_with(exif, std::string_view("MM\0*", 4));
  if (!big_endian && !starts_with(exif, std::string_view("II*\0", 4))) return 1;
  if (exif.size() < kTiffHeaderBytes) return 1;
  const TiffBytes tiff(exif, big_endian);
  const std::size_t directory = tiff.u32(4);
  if (directory > exif.size() - 2) return 1;
  const std::size_t entries =
      std::min<std::size_t>(tiff.u16(directory), (exif.size() - directory - 2) / kEntryBytes);

  std::uint32_t orientation = 1;  // of a repeated tag the last counts, as in Pillow
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (tiff.u16(entry) != kOrientationTag) continue;
    const std::uint32_t type = tiff.u16(entry + 2);
    const std::uint32_t count = tiff.u32(entry + 4);
    if (count != 1 || (type != kTypeShort && type != kTypeLong)) continue;
    orientation = type == kTypeShort ? tiff.u16(entry + 8) : tiff.u32(entry + 8);
  }
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

Image apply_orientation(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const std::ptrdiff_t width = stored.width;
  const std::ptrdiff_t height = stored.height;
  const bool swapped = orientation >= 5;  // 5 to 8 exchange rows and columns
  Image turned = swapped ? make_image(stored.height, stored.width) : make_image(stored.width, stored.height);

  // Where the turned picture's first pixel lies in the stored one, and how far one step to the right and one
  // step down move there.
  std::ptrdiff_t start = 0;
  std::ptrdiff_t right = swapped ? width : 1;
  std::ptrdiff_t down = swapped ? 1 : width;
  const bool from_last_row = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_last_column = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  if (from_last_row) {
    start += (height - 1) * width;
    (swapped ? right : down) = -width;
  }
  if (from_last_column) {
    start += width - 1;
    (swapped ? down : right) = -1;
  }

  std::uint8_t* out = turned.rgb.data();
  for (std::ptrdiff_t y = 0; y < turned.height; ++y) {
    for (std::ptrdiff_t x = 0; x < turned.width; ++x, out += 3) {
      std::memcpy(out, stored.rgb.data() + 3 * (start + x * right + y * down), 3);
    }
  }
  return turned;
}

}  // namespace fovea::image
