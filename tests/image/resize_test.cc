#include "image/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <utility>

#include "base/json.h"
#include "image/picture_files.h"

namespace fovea::image {
namespace {

constexpr std::array<std::pair<const char*, Filter>, 6> kFilters = {{{"nearest", Filter::kNearest},
                                                                     {"lanczos", Filter::kLanczos},
                                                                     {"bilinear", Filter::kBilinear},
                                                                     {"bicubic", Filter::kBicubic},
                                                                     {"box", Filter::kBox},
                                                                     {"hamming", Filter::kHamming}}};

Image noise(int width, int height) {
  std::mt19937 random(static_cast<unsigned>(width * 1000 + height));
  Image image{width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random());
  return image;
}

TEST(Resize, EqualsPillowBitForBitWithEveryFilter) {
  const auto cases = read_json_file(test_data("resize/cases.json"));
  ASSERT_TRUE(cases) << cases.error().message;
  int compared = 0;
  for (const auto& entry : *cases) {
    const auto source_name = entry["src"].get<std::string>();
    const int width = entry["to"][0].get<int>();
    const int height = entry["to"][1].get<int>();
    const Image source = read_picture(test_data("resize") / source_name);
    for (const auto& [name, filter] : kFilters) {
      const std::string file = source_name.substr(0, source_name.find('_') + 1) + name + "_" +
                               std::to_string(width) + "x" + std::to_string(height) + ".png";
      SCOPED_TRACE(file);
      EXPECT_EQ(difference(resize(source, width, height, filter), read_picture(test_data("resize") / file)),
                "");
      ++compared;
    }
  }
  EXPECT_EQ(compared, 36);
}

TEST(Resize, ToTheSameSizeIsACopy) {
  const Image source = noise(13, 7);
  for (const auto& [name, filter] : kFilters) {
    EXPECT_EQ(difference(resize(source, 13, 7, filter), source), "") << name;
  }
}

TEST(Resize, OfOneAxisLeavesTheOtherUntouched) {
  // Each row of the result depends on its own source row only, and likewise for columns.
  const Image source = noise(40, 5);
  Image row{40, 1, {source.rgb.begin() + 3 * 40 * 2, source.rgb.begin() + 3 * 40 * 3}};
  for (const auto& [name, filter] : kFilters) {
    const Image wide = resize(source, 17, 5, filter);
    const Image alone = resize(row, 17, 1, filter);
    EXPECT_TRUE(std::ranges::equal(alone.rgb, std::span(wide.rgb).subspan(3 * 17 * 2, 3 * 17))) << name;
  }
}

TEST(Resize, KeepsAUniformColour) {
  const Image source{9, 11, std::vector<std::uint8_t>(3 * 9 * 11, 201)};
  for (const auto& [name, filter] : kFilters) {
    for (const auto& [width, height] : {std::pair{1, 1}, {50, 3}, {4, 64}, {100, 100}}) {
      const Image result = resize(source, width, height, filter);
      EXPECT_TRUE(std::ranges::all_of(result.rgb, [](int value) { return value == 201; }))
          << name << " " << width << " x " << height;
    }
  }
}

TEST(Resize, SpreadsASinglePixel) {
  const Image source{1, 1, {10, 20, 30}};
  for (const auto& [name, filter] : kFilters) {
    const Image result = resize(source, 5, 3, filter);
    for (std::size_t i = 0; i < result.rgb.size(); ++i) EXPECT_EQ(result.rgb[i], source.rgb[i % 3]) << name;
  }
}

TEST(Resize, DoesNotDependOnTheTeam) {
  WorkerTeam team(3);
  for (const auto& [name, filter] : kFilters) {
    for (const auto& [width, height] : {std::pair{31, 90}, {150, 20}, {97, 33}}) {
      const Image source = noise(97, 67);
      EXPECT_EQ(
          difference(resize(source, width, height, filter, &team), resize(source, width, height, filter)), "")
          << name << " " << width << " x " << height;
    }
  }
}

}  // namespace
}  // namespace fovea::image
