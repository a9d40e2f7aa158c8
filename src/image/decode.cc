#include "image/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "image/codecs.h"
#include "image/orientation.h"

namespace fovea::image {
namespace {

constexpr std::string_view kJpegMagic("\xFF\xD8\xFF", 3);
constexpr std::string_view kPngMagic("\x89PNG\r\n\x1A\n", 8);
constexpr std::size_t kWebpMagicBytes = 12;  // "RIFF", four bytes of length, "WEBP"

bool has_at(std::span<const std::byte> bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

std::string first_bytes(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes.first(std::min(bytes.size(), kWebpMagicBytes))) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(byte));
  }
  return text;
}

Result<StoredImage> decode_stored(std::span<const std::byte> bytes, const DecodeLimits& limits) {
  if (has_at(bytes, 0, kJpegMagic)) return decode_jpeg(bytes, limits);
  if (has_at(bytes, 0, kPngMagic)) return decode_png(bytes, limits);
  if (has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WEBP")) return decode_webp(bytes, limits);
  return fail(ErrorCode::kUnsupportedMedia,
              fmt::format("expected a JPEG, PNG or WebP picture; found {} bytes that start with {}",
                          bytes.size(), first_bytes(bytes)));
}

}  // namespace

Result<void> check_size(std::string_view type, std::uint64_t width, std::uint64_t height,
                        const DecodeLimits& limits) {
  if (width == 0 || height == 0) {
    return fail(
        ErrorCode::kInvalidImage,
        fmt::format("{} header states {} x {} pixels; both sides must be at least 1", type, width, height));
  }
  if (width > limits.max_side || height > limits.max_side) {
    return fail(ErrorCode::kTooLarge, fmt::format("{} of {} x {} pixels; a side may have at most {}", type,
                                                  width, height, limits.max_side));
  }
  if (width * height > limits.max_pixels) {
    return fail(ErrorCode::kTooLarge, fmt::format("{} of {} x {} = {} pixels; at most {} are decoded", type,
                                                  width, height, width * height, limits.max_pixels));
  }
  return {};
}

Image make_image(int width, int height) {
  return {width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
}

Result<Image> decode_image(std::span<const std::byte> bytes, const DecodeLimits& limits) {
  if (bytes.empty()) return fail(ErrorCode::kInvalidArgument, "expected a picture; found no bytes");
  FOVEA_TRY(StoredImage stored, decode_stored(bytes, limits));
  return apply_orientation(std::move(stored.image), stored.orientation);
}

}  // namespace fovea::image
