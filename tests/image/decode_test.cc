#include "image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>

#include "image/picture_files.h"

namespace fovea::image {
namespace {

using ::testing::HasSubstr;

std::filesystem::path reference(const std::string& name) {
  return test_data("image") / name;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void put(std::vector<std::byte>& bytes, std::size_t at, std::string_view text) {
  std::ranges::copy(std::as_bytes(std::span(text)), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

void insert(std::vector<std::byte>& bytes, std::size_t at, std::string_view text) {
  const auto data = std::as_bytes(std::span(text));
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), data.begin(), data.end());
}

/// Where a text first begins.
std::size_t position(const std::vector<std::byte>& bytes, std::string_view text) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).find(text);
}

/// A progressive JPEG with its last scan repeated.
std::vector<std::byte> with_repeated_scan(std::vector<std::byte> bytes, int times) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t begin = text.rfind("\xFF\xDA");
  const std::string scan(text.substr(begin, text.size() - 2 - begin));
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += scan;
  insert(bytes, bytes.size() - 2, repeated);
  return bytes;
}

void expect_error(std::span<const std::byte> bytes, ErrorCode code, const std::string& words,
                  const DecodeLimits& limits = {}) {
  const Result<Image> image = decode_image(bytes, limits);
  ASSERT_FALSE(image) << "decoded to " << image->width << " x " << image->height;
  EXPECT_EQ(error_name(image.error().code), std::string_view(error_name(code))) << image.error().message;
  EXPECT_THAT(image.error().message, HasSubstr(words));
}

TEST(DecodeImage, GivesPillowsPixelsForEveryReferenceFile) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test_data("image"))) {
    if (entry.path().extension() == ".ppm") continue;
    SCOPED_TRACE(entry.path().filename());
    ++files;
    const Image expected = read_ppm(std::filesystem::path(entry.path()).replace_extension(".ppm"));
    EXPECT_EQ(difference(read_picture(entry.path()), expected), "");
  }
  EXPECT_EQ(files, 79);
}

TEST(DecodeImage, RefusesEveryFileThatEndsEarly) {
  for (const char* name :
       {"png_rgb8.png", "png_palette4_interlaced.png", "png_orientation2.png", "jpeg_420.jpg",
        "jpeg_420_progressive.jpg", "jpeg_ycck_adobe.jpg", "jpeg_orientation6.jpg", "webp_lossy.webp",
        "webp_lossless_alpha.webp", "webp_animated_lossy.webp"}) {
    const std::vector<std::byte> bytes = read_bytes(reference(name));
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      const Result<Image> image = decode_image(std::span(bytes).first(size));
      ASSERT_FALSE(image) << name << " cut to " << size << " of " << bytes.size() << " bytes";
      ASSERT_TRUE(image.error().code == ErrorCode::kInvalidImage ||
                  (size < 12 && image.error().code == ErrorCode::kUnsupportedMedia))
          << name << " cut to " << size << ": " << image.error().message;
    }
  }
}

TEST(DecodeImage, SaysThatAFileIsTruncated) {
  for (const char* name : {"png_rgb8.png", "jpeg_420.jpg", "webp_lossy.webp"}) {
    const std::vector<std::byte> bytes = read_bytes(reference(name));
    expect_error(std::span(bytes).first(bytes.size() * 2 / 3), ErrorCode::kInvalidImage, "truncated");
  }
}

TEST(DecodeImage, ReadsOnPastNothingAfterTheEnd) {
  for (const char* name : {"png_rgb8.png", "jpeg_420.jpg", "webp_lossy.webp"}) {
    std::vector<std::byte> bytes = read_bytes(reference(name));
    insert(bytes, bytes.size(), "something appended");
    const Result<Image> image = decode_image(bytes);
    ASSERT_TRUE(image) << name << ": " << image.error().message;
    EXPECT_EQ(difference(*image, read_picture(reference(name))), "");
  }
}

TEST(DecodeImage, RefusesNoBytes) {
  expect_error({}, ErrorCode::kInvalidArgument, "no bytes");
}

TEST(DecodeImage, RefusesOtherTypesNamingTheirFirstBytes) {
  expect_error(bytes_of("GIF89a..."), ErrorCode::kUnsupportedMedia, "47 49 46 38");
  expect_error(bytes_of("<svg/>"), ErrorCode::kUnsupportedMedia, "expected a JPEG, PNG or WebP");
  expect_error(bytes_of("RIFF....WAVE"), ErrorCode::kUnsupportedMedia, "12 bytes");
}

TEST(DecodeImage, TellsTheTypeByTheBytesAlone) {
  std::vector<std::byte> bytes = read_bytes(reference("png_rgb8.png"));
  put(bytes, 0, "\xFF\xD8\xFF");
  expect_error(bytes, ErrorCode::kInvalidImage, "JPEG");
}

TEST(DecodeImage, RefusesAZeroSide) {
  std::vector<std::byte> png = read_bytes(reference("png_rgb8.png"));
  put(png, 16, std::string_view("\0\0\0\0", 4));
  expect_error(png, ErrorCode::kInvalidImage, "0 x 19");

  std::vector<std::byte> jpeg = read_bytes(reference("jpeg_420.jpg"));
  put(jpeg, position(jpeg, "\xFF\xC0") + 5, std::string_view("\0\0", 2));
  expect_error(jpeg, ErrorCode::kInvalidImage, "JPEG");

  std::vector<std::byte> webp = read_bytes(reference("webp_lossy.webp"));
  put(webp, position(webp, "\x9D\x01\x2A") + 3, std::string_view("\0\0", 2));
  expect_error(webp, ErrorCode::kInvalidImage, "WebP");
}

TEST(DecodeImage, RefusesTooManyPixelsByTheHeaderAlone) {
  // 20,000 = 0x4E20 on both sides; nothing but the header follows, so only the header can have been read.
  std::vector<std::byte> png = read_bytes(reference("png_rgb8.png"));
  put(png, 16, std::string_view("\0\0\x4E\x20\0\0\x4E\x20", 8));
  png.resize(41);
  expect_error(png, ErrorCode::kTooLarge, "20000 x 20000 = 400000000 pixels; at most 100000000");

  std::vector<std::byte> jpeg = read_bytes(reference("jpeg_420.jpg"));
  put(jpeg, position(jpeg, "\xFF\xC0") + 5, "\x4E\x20\x4E\x20");
  expect_error(jpeg, ErrorCode::kTooLarge, "20000 x 20000");

  std::vector<std::byte> webp = read_bytes(reference("webp_animated_offset.webp"));
  put(webp, position(webp, "VP8X") + 12, std::string_view("\x1F\x4E\0\x1F\x4E\0", 6));  // sides less 1
  expect_error(webp, ErrorCode::kTooLarge, "20000 x 20000");
}

TEST(DecodeImage, RefusesASideThatIsTooLong) {
  std::vector<std::byte> png = read_bytes(reference("png_rgb8.png"));
  put(png, 16, std::string_view("\0\1\0\0\0\0\0\1", 8));
  expect_error(png, ErrorCode::kTooLarge, "65536 x 1 pixels; a side may have at most 65535");
}

TEST(DecodeImage, TakesTheCallersLimits) {
  const std::vector<std::byte> png = read_bytes(reference("png_rgb8.png"));  // 29 x 19
  EXPECT_TRUE(decode_image(png, {.max_pixels = 551, .max_side = 29}));
  expect_error(png, ErrorCode::kTooLarge, "551 pixels; at most 550", {.max_pixels = 550});
  expect_error(png, ErrorCode::kTooLarge, "at most 28", {.max_side = 28});
}

TEST(DecodeImage, StopsAtAHundredJpegScans) {
  const std::vector<std::byte> bytes = read_bytes(reference("jpeg_444_progressive.jpg"));
  EXPECT_TRUE(decode_image(with_repeated_scan(bytes, 50)));
  expect_error(with_repeated_scan(bytes, 200), ErrorCode::kInvalidImage, "scans");
}

TEST(DecodeImage, StopsAtFewerJpegScansOfALargePicture) {
  const std::vector<std::byte> bytes =
      read_bytes(reference("jpeg_444_progressive.jpg"));  // 45 x 37, ten scans
  EXPECT_TRUE(decode_image(bytes, {.max_scan_pixels = 45 * 37 * 10}));
  expect_error(bytes, ErrorCode::kInvalidImage, "scans", {.max_scan_pixels = 45 * 37 * 9});
}

TEST(DecodeImage, IgnoresDamagedAncillaryPngChunks) {
  std::vector<std::byte> bytes = read_bytes(reference("png_rgb8.png"));
  insert(bytes, 33, std::string_view("\0\0\0\5zTXtoops!\0\0\0\0", 17));  // no such checksum
  const Result<Image> image = decode_image(bytes);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(difference(*image, read_picture(reference("png_rgb8.png"))), "");
}

TEST(DecodeImage, RefusesAPngWhosePixelsFailTheirChecksum) {
  std::vector<std::byte> bytes = read_bytes(reference("png_rgb8.png"));
  bytes[position(bytes, "IDAT") + 20] ^= std::byte{1};
  expect_error(bytes, ErrorCode::kInvalidImage, "PNG cannot be decoded");
}

TEST(DecodeImage, SurvivesAnyDamage) {
  std::mt19937 random(1);
  for (const char* name : {"png_rgba16_interlaced.png", "png_palette2.png", "jpeg_422_progressive.jpg",
                           "jpeg_cmyk_adobe.jpg", "jpeg_orientation8.jpg", "webp_lossless.webp",
                           "webp_lossy_alpha.webp", "webp_animated_offset.webp"}) {
    const std::vector<std::byte> intact = read_bytes(reference(name));
    for (int round = 0; round < 100; ++round) {
      std::vector<std::byte> bytes = intact;
      for (int i = 0; i <= round % 8; ++i) {
        bytes[12 + random() % (bytes.size() - 12)] = static_cast<std::byte>(random());
      }
      const Result<Image> image = decode_image(bytes, {.max_pixels = 1'000'000});
      if (image) EXPECT_EQ(image->rgb.size(), std::size_t{3} * image->width * image->height);
    }
  }
}

}  // namespace
}  // namespace fovea::image
