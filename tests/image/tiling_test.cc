#include "image/tiling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json.h"
#include "image/picture_files.h"
#include "tensor/safetensors.h"

namespace fovea::image {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TilingConfig published_config() {
  TilingConfig config;
  config.longest_edge = 2048;
  config.tile_size = 512;
  return config;
}

Image noise(int width, int height) {
  Image image{width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  std::uint32_t state = 1;
  for (std::uint8_t& value : image.rgb)
    value = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return image;
}

// ---- golden pictures ----

void expect_golden_frames(const std::string& name) {
  const std::filesystem::path folder = test_data("golden") / name;
  const auto processor = read_json_file(folder / "processor_config.json");
  ASSERT_TRUE(processor) << processor.error().message;
  const auto config = TilingConfig::from_json((*processor)["image_processor"]);
  ASSERT_TRUE(config) << config.error().message;
  const auto golden = read_json_file(folder / "golden.json");
  ASSERT_TRUE(golden) << golden.error().message;
  const auto tensors = tensor::SafeTensors::open(folder / "golden.safetensors");
  ASSERT_TRUE(tensors) << tensors.error().message;

  int compared = 0;
  for (const auto& entry : (*golden)["cases"]) {
    const auto* expected = tensors->find("c" + std::to_string(entry["i"].get<int>()) + ".pixel_u8");
    if (expected == nullptr) continue;  // stored for the first prompt of each picture
    SCOPED_TRACE(entry["image"].get<std::string>());
    const Image picture = read_picture(folder / entry["image"].get<std::string>());
    const auto tiled = tile_image(picture, *config);
    ASSERT_TRUE(tiled) << tiled.error().message;
    const std::size_t side = config->tile_size;
    ASSERT_EQ(expected->shape, (std::vector<std::size_t>{tiled->frames.size(), 3, side, side}));
    EXPECT_EQ(tiled->frames.size(), static_cast<std::size_t>(tiled->rows * tiled->columns + 1));

    const std::size_t area = side * side;
    std::vector<float> pixels(3 * area);
    std::size_t wrong_bytes = 0;
    std::size_t wrong_values = 0;
    for (std::size_t frame = 0; frame < tiled->frames.size(); ++frame) {
      normalize_frame(tiled->frames[frame], *config, pixels.data());
      for (std::size_t i = 0; i < 3 * area; ++i) {
        const auto byte = std::to_integer<std::uint8_t>(expected->bytes[frame * 3 * area + i]);
        const auto scaled = static_cast<float>(byte * 0.00392156862745098);
        wrong_bytes += tiled->frames[frame].rgb[i % area * 3 + i / area] != byte;
        wrong_values += pixels[i] != (scaled - 0.5F) / 0.5F;
      }
    }
    EXPECT_EQ(wrong_bytes, 0U);
    EXPECT_EQ(wrong_values, 0U);
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST(TileImage, EqualsTheReferenceProcessorOnAllFivePictures) {
  expect_golden_frames("smolvlm-tiny-f32");
}

TEST(TileImage, EqualsTheReferenceProcessorWithSmallTiles) {
  expect_golden_frames("smolvlm-tiny-bf16-tied");
}

// ---- sizes ----

struct WorkedSize {
  Size picture;
  Size fitted;
  Size covered;
  int rows;
  int columns;
};

TEST(PlanTiles, GivesTheWorkedSizesOfThePublishedConfiguration) {
  const std::vector<WorkedSize> cases = {
      {{640, 480}, {2048, 1536}, {2048, 1536}, 3, 4},   {{480, 640}, {1536, 2048}, {1536, 2048}, 4, 3},
      {{512, 512}, {2048, 2048}, {2048, 2048}, 4, 4},   {{100, 100}, {2048, 2048}, {2048, 2048}, 4, 4},
      {{1920, 1080}, {2048, 1152}, {2048, 1536}, 3, 4}, {{3000, 200}, {2048, 136}, {2048, 512}, 1, 4},
      {{37, 1000}, {76, 2048}, {512, 2048}, 4, 1},      {{1000, 701}, {2048, 1436}, {2048, 1536}, 3, 4},
      {{2048, 1025}, {2048, 1026}, {2048, 1536}, 3, 4},
  };
  for (const WorkedSize& worked : cases) {
    SCOPED_TRACE(std::to_string(worked.picture.width) + " x " + std::to_string(worked.picture.height));
    const TilePlan plan = plan_tiles(worked.picture, published_config());
    EXPECT_EQ(plan.fitted, worked.fitted);
    EXPECT_EQ(plan.covered, worked.covered);
    EXPECT_EQ(plan.rows, worked.rows);
    EXPECT_EQ(plan.columns, worked.columns);
    EXPECT_EQ(plan.frames(), worked.rows * worked.columns + 1);
  }
}

TEST(PlanTiles, MakesTheShorterSideEvenAndNeverZero) {
  EXPECT_EQ(plan_tiles({1000, 333}, published_config()).fitted, (Size{2048, 682}));  // 681.98 is cut to 681
  EXPECT_EQ(plan_tiles({333, 1000}, published_config()).fitted, (Size{682, 2048}));  // 681.98 likewise
  EXPECT_EQ(plan_tiles({65535, 1}, published_config()).fitted, (Size{2048, 1}));
  EXPECT_EQ(plan_tiles({1, 65535}, published_config()).fitted, (Size{1, 2048}));
  EXPECT_EQ(plan_tiles({1, 65535}, published_config()).covered, (Size{512, 2048}));
}

TEST(PlanTiles, BoundsASideTo4096WithoutMakingTheOtherEven) {
  TilingConfig config = published_config();
  config.longest_edge = 6000;
  EXPECT_EQ(plan_tiles({1000, 501}, config).fitted, (Size{4096, 2052}));  // 6000 x 3006 first
  EXPECT_EQ(plan_tiles({501, 1000}, config).fitted, (Size{2052, 4096}));
  EXPECT_EQ(plan_tiles({1000, 333}, config).fitted, (Size{4096, 1363}));  // 6000 x 1998 first
  config.longest_edge = 4096;
  EXPECT_EQ(plan_tiles({1000, 1000}, config).fitted, (Size{4096, 4096}));
}

TEST(PlanTiles, IsOneFrameWhereTheLongestEdgeIsATile) {
  TilingConfig config = published_config();
  config.longest_edge = 512;
  for (const Size picture : {Size{640, 480}, {480, 640}, {3000, 2}, {1, 1}}) {
    const TilePlan plan = plan_tiles(picture, config);
    EXPECT_EQ(plan.covered, (Size{512, 512}));
    EXPECT_EQ(plan.rows, 0);
    EXPECT_EQ(plan.columns, 0);
    EXPECT_EQ(plan.frames(), 1);
  }
}

TEST(PlanTiles, IsOneFrameWithoutSplitting) {
  TilingConfig config = published_config();
  config.do_image_splitting = false;
  const TilePlan plan = plan_tiles({640, 480}, config);
  EXPECT_EQ(plan.fitted, (Size{2048, 1536}));
  EXPECT_EQ(plan.covered, (Size{512, 512}));
  EXPECT_EQ(plan.frames(), 1);
}

TEST(PlanTiles, StartsFromThePictureItselfWithoutResizing) {
  TilingConfig config = published_config();
  config.do_resize = false;
  const TilePlan plan = plan_tiles({700, 300}, config);
  EXPECT_EQ(plan.fitted, (Size{700, 300}));
  EXPECT_EQ(plan.covered, (Size{1024, 512}));
  EXPECT_EQ(plan.frames(), 3);
}

// ---- frames ----

TEST(TileImage, CutsRowByRowAndPutsTheWholePictureLast) {
  TilingConfig config;
  config.longest_edge = 32;
  config.tile_size = 16;
  const Image picture = noise(32, 32);  // already of the right size: no resize changes it
  const auto tiled = tile_image(picture, config);
  ASSERT_TRUE(tiled);
  EXPECT_EQ(tiled->rows, 2);
  EXPECT_EQ(tiled->columns, 2);
  ASSERT_EQ(tiled->frames.size(), 5U);
  for (int frame = 0; frame < 4; ++frame) {
    for (int y = 0; y < 16; ++y) {
      const int from = (frame / 2 * 16 + y) * 32 + frame % 2 * 16;
      EXPECT_TRUE(std::ranges::equal(std::span(tiled->frames[frame].rgb).subspan(3 * 16 * y, 48),
                                     std::span(picture.rgb).subspan(3 * from, 48)));
    }
  }
  EXPECT_EQ(difference(tiled->frames[4], resize(picture, 16, 16, Filter::kLanczos)), "");
}

TEST(TileImage, WithoutSplittingSquaresTheFittedPicture) {
  TilingConfig config;
  config.longest_edge = 64;
  config.tile_size = 16;
  config.do_image_splitting = false;
  const Image picture = noise(50, 20);
  const auto tiled = tile_image(picture, config);
  ASSERT_TRUE(tiled);
  ASSERT_EQ(tiled->frames.size(), 1U);
  const Image fitted = resize(picture, 64, 26, Filter::kLanczos);  // 25.6 is cut to 25, then made even
  EXPECT_EQ(difference(tiled->frames[0], resize(fitted, 16, 16, Filter::kLanczos)), "");
}

TEST(TileImage, DoesNotDependOnTheTeam) {
  WorkerTeam team(3);
  TilingConfig config;
  config.longest_edge = 128;
  config.tile_size = 32;
  const Image picture = noise(100, 61);
  const auto alone = tile_image(picture, config);
  const auto together = tile_image(picture, config, &team);
  ASSERT_TRUE(alone && together);
  ASSERT_EQ(alone->frames.size(), together->frames.size());
  for (std::size_t i = 0; i < alone->frames.size(); ++i) {
    EXPECT_EQ(difference(together->frames[i], alone->frames[i]), "") << i;
  }
}

TEST(TileImage, RefusesAnEmptyPicture) {
  const auto tiled = tile_image(Image{}, TilingConfig{});
  ASSERT_FALSE(tiled);
  EXPECT_EQ(tiled.error().code, ErrorCode::kInvalidArgument);
}

// ---- normalisation ----

TEST(NormalizeFrame, WritesPlanesOfNormalisedValues) {
  TilingConfig config;
  config.tile_size = 2;
  config.mean = {0.5F, 0.25F, 0.0F};
  config.std = {0.5F, 0.5F, 2.0F};
  const Image frame{2, 2, {0, 0, 0, 255, 255, 255, 51, 51, 51, 0, 255, 0}};
  std::vector<float> pixels(12);
  normalize_frame(frame, config, pixels.data());
  EXPECT_EQ(pixels, (std::vector<float>{-1.0F, 1.0F, (0.2F - 0.5F) / 0.5F, -1.0F,  //
                                        -0.5F, 1.5F, (0.2F - 0.25F) / 0.5F, 1.5F,  //
                                        0.0F, 0.5F, 0.1F, 0.0F}));
}

TEST(NormalizeFrame, LeavesOutTheStepsThatAreSwitchedOff) {
  TilingConfig config;
  config.tile_size = 1;
  const Image frame{1, 1, {0, 51, 255}};
  std::vector<float> pixels(3);
  config.do_normalize = false;
  normalize_frame(frame, config, pixels.data());
  EXPECT_EQ(pixels, (std::vector<float>{0.0F, 0.2F, 1.0F}));
  config.do_rescale = false;
  normalize_frame(frame, config, pixels.data());
  EXPECT_EQ(pixels, (std::vector<float>{0.0F, 51.0F, 255.0F}));
}

// ---- configuration ----

TEST(TilingConfig, TakesTheClassDefaultsForAbsentAndNullKeys) {
  const auto config =
      TilingConfig::from_json(json::parse(R"({"size": null, "do_resize": null, "other": 1})"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->do_resize && config->do_image_splitting && config->do_rescale && config->do_normalize);
  EXPECT_EQ(config->longest_edge, 1456);
  EXPECT_EQ(config->tile_size, 364);
  EXPECT_EQ(config->resample, Filter::kLanczos);
  EXPECT_EQ(config->rescale_factor, 1.0 / 255.0);
  EXPECT_EQ(config->mean, (std::array{0.5F, 0.5F, 0.5F}));
  EXPECT_EQ(config->std, (std::array{0.5F, 0.5F, 0.5F}));
}

TEST(TilingConfig, ReadsEveryKey) {
  const auto config = TilingConfig::from_json(json::parse(R"({
    "do_resize": false, "do_image_splitting": false, "do_rescale": false, "do_normalize": false,
    "size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}, "resample": 3,
    "rescale_factor": 0.5, "image_mean": [0, 0.25, 1], "image_std": [1, 2, 0.125]})"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->do_resize || config->do_image_splitting || config->do_rescale || config->do_normalize);
  EXPECT_EQ(config->longest_edge, 2048);
  EXPECT_EQ(config->tile_size, 512);
  EXPECT_EQ(config->resample, Filter::kBicubic);
  EXPECT_EQ(config->rescale_factor, 0.5);
  EXPECT_EQ(config->mean, (std::array{0.0F, 0.25F, 1.0F}));
  EXPECT_EQ(config->std, (std::array{1.0F, 2.0F, 0.125F}));
}

TEST(TilingConfig, NamesAValueOfAWrongTypeOrRange) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"([])", "image_processor"},
      {R"({"do_resize": 1})", "\"do_resize\" must be true or false; found 1"},
      {R"({"do_image_splitting": "yes"})", "do_image_splitting"},
      {R"({"size": 2048})", "\"size\" must be an object with \"longest_edge\"; found 2048"},
      {R"({"size": {"height": 3, "width": 4}})", "longest_edge"},
      {R"({"size": {"longest_edge": "2048"}})", "size.longest_edge"},
      {R"({"size": {"longest_edge": 0}})", "size.longest_edge"},
      {R"({"size": {"longest_edge": 18446744073709551615}})", "size.longest_edge"},
      {R"({"max_image_size": {"longest_edge": 512.5}})", "max_image_size.longest_edge"},
      {R"({"max_image_size": {"longest_edge": 3}})", "a whole number from 4 to 4096; found 3"},
      {R"({"max_image_size": {"longest_edge": 100000}})", "max_image_size.longest_edge"},
      {R"({"resample": 6})", "resample"},
      {R"({"resample": "lanczos"})", "resample"},
      {R"({"rescale_factor": "1/255"})", "rescale_factor"},
      {R"({"image_mean": 0.5})", "image_mean"},
      {R"({"image_mean": [0.5, 0.5]})", "image_mean"},
      {R"({"image_mean": [0.5, 0.5, 1e300]})", "image_mean"},
      {R"({"image_std": [0.5, 0, 0.5]})", "none zero"},
  };
  for (const auto& [text, words] : cases) {
    const auto config = TilingConfig::from_json(json::parse(text));
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidModel);
    EXPECT_THAT(config.error().message, HasSubstr(words));
  }
}

}  // namespace
}  // namespace fovea::image
