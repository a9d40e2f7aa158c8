#include "image/tiling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "image/codecs.h"

namespace fovea::image {
namespace {

constexpr int kMaxSide = 4096;  // the reference's own bound on a resized picture
// The sides of a frame that are accepted: a hostile configuration must not ask for millions of frames, nor
// for frames larger than the bound.
constexpr int kMinTile = 4;
constexpr int kMaxTile = kMaxSide;
constexpr int kMaxLongestEdge = 1'000'000;

// ---- configuration ----

std::unexpected<Error> wrong(std::string_view key, std::string_view expected, const nlohmann::json& found) {
  std::string text = found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "…";
  return fail(ErrorCode::kInvalidModel,
              fmt::format("image processor config: \"{}\" must be {}; found {}", key, expected, text));
}

/// The value of a key, or null when it is absent or null itself: both mean the class default.
const nlohmann::json* find(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

Result<void> read_bool(const nlohmann::json& config, const char* key, bool& value) {
  const nlohmann::json* found = find(config, key);
  if (found == nullptr) return {};
  if (!found->is_boolean()) return wrong(key, "true or false", *found);
  value = found->get<bool>();
  return {};
}

/// A whole number from `low` to `high` stored as `value`.
Result<void> read_integer(const nlohmann::json& found, std::string_view name, int low, int high, int& value) {
  // An unsigned value over the signed range would turn negative, which the lower bound refuses.
  if (!found.is_number_integer() || found.get<std::int64_t>() < low || found.get<std::int64_t>() > high) {
    return wrong(name, fmt::format("a whole number from {} to {}", low, high), found);
  }
  value = found.get<int>();
  return {};
}

Result<void> read_edge(const nlohmann::json& config, const char* key, int low, int high, int& value) {
  const nlohmann::json* object = find(config, key);
  if (object == nullptr) return {};
  if (!object->is_object()) return wrong(key, "an object with \"longest_edge\"", *object);
  const nlohmann::json* edge = find(*object, "longest_edge");
  if (edge == nullptr) return wrong(key, "an object with \"longest_edge\"", *object);
  return read_integer(*edge, fmt::format("{}.longest_edge", key), low, high, value);
}

Result<void> read_channels(const nlohmann::json& config, const char* key, bool zero_allowed,
                           std::array<float, 3>& values) {
  const nlohmann::json* found = find(config, key);
  if (found == nullptr) return {};
  const auto usable = [&](const nlohmann::json& value) {
    return value.is_number() && std::isfinite(value.get<float>()) &&
           (zero_allowed || value.get<float>() != 0.0F);
  };
  if (!found->is_array() || found->size() != values.size() || !std::ranges::all_of(*found, usable)) {
    return wrong(key, zero_allowed ? "three finite numbers" : "three finite numbers, none zero", *found);
  }
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = (*found)[i].get<float>();
  return {};
}

// ---- sizes ----

double aspect_of(Size size) {
  return static_cast<double>(size.width) / size.height;
}

/// The longer side becomes `edge`; the other keeps the aspect ratio and is made even.
Size fit_longest_edge(Size size, int edge) {
  const double aspect = aspect_of(size);
  const auto even = [](double side) {
    const int whole = static_cast<int>(side);
    return std::max(1, whole + whole % 2);
  };
  if (size.width >= size.height) return {edge, even(edge / aspect)};
  return {even(edge * aspect), edge};
}

Size bound_size(Size size) {
  if (std::max(size.width, size.height) <= kMaxSide) return size;
  const double aspect = aspect_of(size);
  if (size.width >= size.height) return {kMaxSide, std::max(1, static_cast<int>(kMaxSide / aspect))};
  return {std::max(1, static_cast<int>(kMaxSide * aspect)), kMaxSide};
}

/// Both sides become multiples of the tile, the shorter from the aspect ratio of the longer one rounded up.
Size cover_with_tiles(Size size, int tile) {
  const double aspect = aspect_of(size);
  const auto round_up = [tile](int side) { return std::max(1, (side + tile - 1) / tile) * tile; };
  if (size.width >= size.height) {
    const int width = round_up(size.width);
    return {width, round_up(static_cast<int>(width / aspect))};
  }
  const int height = round_up(size.height);
  return {round_up(static_cast<int>(height * aspect)), height};
}

Image crop(const Image& source, int left, int top, int side) {
  Image tile = make_image(side, side);
  const std::size_t row_bytes = std::size_t{3} * side;
  for (int y = 0; y < side; ++y) {
    const std::size_t from = 3 * (static_cast<std::size_t>(top + y) * source.width + left);
    std::memcpy(tile.rgb.data() + row_bytes * y, source.rgb.data() + from, row_bytes);
  }
  return tile;
}

}  // namespace

Result<TilingConfig> TilingConfig::from_json(const nlohmann::json& config) {
  if (!config.is_object()) return wrong("image_processor", "an object", config);
  TilingConfig result;
  FOVEA_CHECK_OK(read_bool(config, "do_resize", result.do_resize));
  FOVEA_CHECK_OK(read_bool(config, "do_image_splitting", result.do_image_splitting));
  FOVEA_CHECK_OK(read_bool(config, "do_rescale", result.do_rescale));
  FOVEA_CHECK_OK(read_bool(config, "do_normalize", result.do_normalize));
  FOVEA_CHECK_OK(read_edge(config, "size", 1, kMaxLongestEdge, result.longest_edge));
  FOVEA_CHECK_OK(read_edge(config, "max_image_size", kMinTile, kMaxTile, result.tile_size));
  if (const nlohmann::json* found = find(config, "resample"); found != nullptr) {
    int code = 0;
    FOVEA_CHECK_OK(read_integer(*found, "resample", 0, static_cast<int>(Filter::kHamming), code));
    result.resample = static_cast<Filter>(code);
  }
  if (const nlohmann::json* found = find(config, "rescale_factor"); found != nullptr) {
    if (!found->is_number() || !std::isfinite(found->get<double>())) {
      return wrong("rescale_factor", "a finite number", *found);
    }
    result.rescale_factor = found->get<double>();
  }
  FOVEA_CHECK_OK(read_channels(config, "image_mean", true, result.mean));
  FOVEA_CHECK_OK(read_channels(config, "image_std", false, result.std));
  return result;
}

TilePlan plan_tiles(Size picture, const TilingConfig& config) {
  assert(picture.width >= 1 && picture.height >= 1);
  TilePlan plan;
  plan.fitted = config.do_resize ? bound_size(fit_longest_edge(picture, config.longest_edge)) : picture;
  const int tile = config.tile_size;
  plan.covered = config.do_image_splitting ? cover_with_tiles(plan.fitted, tile) : Size{tile, tile};
  if (plan.covered != Size{tile, tile}) {
    plan.rows = plan.covered.height / tile;
    plan.columns = plan.covered.width / tile;
  }
  return plan;
}

Result<TiledImage> tile_image(const Image& picture, const TilingConfig& config, WorkerTeam* team) {
  if (picture.width < 1 || picture.height < 1) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a picture of {} x {} pixels has nothing to cut", picture.width, picture.height));
  }
  const int tile = config.tile_size;
  const TilePlan plan = plan_tiles({picture.width, picture.height}, config);
  const auto resized = [&](const Image& source, Size size) {
    return resize(source, size.width, size.height, config.resample, team);
  };
  const Image fitted = resized(picture, plan.fitted);
  const Image covered = resized(fitted, plan.covered);

  TiledImage result;
  result.rows = plan.rows;
  result.columns = plan.columns;
  result.frames.resize(static_cast<std::size_t>(plan.frames()));
  const auto cut = [&](std::size_t i) {
    const auto columns = static_cast<std::size_t>(std::max(plan.columns, 1));  // 0 where nothing is cut
    result.frames[i] =
        crop(covered, static_cast<int>(i % columns) * tile, static_cast<int>(i / columns) * tile, tile);
  };
  const std::size_t tiles = result.frames.size() - 1;
  if (team != nullptr) {
    team->parallel_for(tiles, cut);
  } else {
    for (std::size_t i = 0; i < tiles; ++i) cut(i);
  }
  // The global frame comes last. It is made of the covered picture, which is itself one frame where there are
  // no tiles.
  result.frames.back() = resized(covered, {tile, tile});
  return result;
}

void normalize_frame(const Image& frame, const TilingConfig& config, float* pixels) {
  assert(frame.width == config.tile_size && frame.height == config.tile_size);
  const std::size_t area = frame.rgb.size() / 3;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    // A pixel has 256 values, so each channel is a table.
    std::array<float, 256> table;
    for (std::size_t value = 0; value < table.size(); ++value) {
      auto scaled = static_cast<float>(value);
      if (config.do_rescale) scaled = static_cast<float>(static_cast<double>(value) * config.rescale_factor);
      if (config.do_normalize) scaled = (scaled - config.mean[channel]) / config.std[channel];
      table[value] = scaled;
    }
    float* plane = pixels + channel * area;
    for (std::size_t i = 0; i < area; ++i) plane[i] = table[frame.rgb[3 * i + channel]];
  }
}

}  // namespace fovea::image
