#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "image/decode.h"
#include "image/image.h"
#include "support/paths.h"

namespace fovea::image {

inline std::filesystem::path test_data(const std::string& name) {
  return test::data_folder() / name;
}

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// Decodes a file that must decode; an empty image otherwise.
inline Image read_picture(const std::filesystem::path& path) {
  Result<Image> image = decode_image(read_bytes(path));
  EXPECT_TRUE(image) << path << ": " << image.error().message;
  return image ? *std::move(image) : Image{};
}

/// A binary PPM whose header is "P6 WIDTH HEIGHT 255" and one line end.
inline Image read_ppm(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_bytes(path);
  std::istringstream file(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::string magic;
  int highest = 0;
  Image image;
  file >> magic >> image.width >> image.height >> highest;
  file.get();
  image.rgb.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  EXPECT_EQ(image.rgb.size(), std::size_t{3} * image.width * image.height) << path;
  return image;
}

/// The first pixels that differ, for a message; empty when the images are equal.
inline std::string difference(const Image& found, const Image& expected) {
  std::ostringstream text;
  if (found.width != expected.width || found.height != expected.height) {
    text << "size " << found.width << " x " << found.height << ", expected " << expected.width << " x "
         << expected.height;
    return text.str();
  }
  if (expected.width == 0) return "";
  std::size_t count = 0;
  for (std::size_t i = 0; i < expected.rgb.size(); ++i) {
    if (found.rgb[i] == expected.rgb[i] || ++count > 5) continue;
    const std::size_t pixel = i / 3;
    text << "(" << pixel % expected.width << ", " << pixel / expected.width << ")[" << i % 3
         << "]: " << +found.rgb[i] << ", expected " << +expected.rgb[i] << "; ";
  }
  if (count != 0) text << count << " bytes differ";
  return text.str();
}

}  // namespace fovea::image
