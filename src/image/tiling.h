#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/result.h"
#include "base/worker_team.h"
#include "image/image.h"
#include "image/resize.h"

namespace fovea::image {

/// What the Idefics3 / SmolVLM image processor is configured with (`preprocessor_config.json`, or the nested
/// `image_processor` of a newer `processor_config.json`); absent keys take the class defaults.
struct TilingConfig {
  bool do_resize = true;
  bool do_image_splitting = true;
  bool do_rescale = true;
  bool do_normalize = true;
  int longest_edge = 4 * 364;  ///< `size.longest_edge`: every picture is first scaled to this, up or down
  int tile_size = 364;         ///< `max_image_size.longest_edge`: the side T of a frame
  Filter resample = Filter::kLanczos;
  double rescale_factor = 1.0 / 255.0;
  std::array<float, 3> mean = {0.5F, 0.5F, 0.5F};
  std::array<float, 3> std = {0.5F, 0.5F, 0.5F};

  /// Reads the keys of an image-processor config object. Errors: kInvalidModel for a value of a wrong type or
  /// range, named.
  static Result<TilingConfig> from_json(const nlohmann::json& config);
};

struct Size {
  int width = 0;
  int height = 0;

  friend bool operator==(const Size&, const Size&) = default;
};

/// What becomes of a picture of a given size.
struct TilePlan {
  Size fitted;   ///< after the resize to `longest_edge`; the picture's own size without do_resize
  Size covered;  ///< after the second resize, to whole tiles
  int rows = 0;  ///< of tiles; rows = columns = 0 when the picture is one frame only
  int columns = 0;

  /// Tiles and the global frame.
  [[nodiscard]] int frames() const { return rows * columns + 1; }
};

/// The sizes that tile_image uses, so that the length of a prompt is known before any pixel is touched.
/// `picture` has sides of at least 1.
TilePlan plan_tiles(Size picture, const TilingConfig& config);

/// A picture as the vision tower sees it: `rows` x `columns` tiles in row-major order and then the global
/// frame; rows = columns = 0 when the picture is one frame only. Every frame is T x T.
struct TiledImage {
  int rows = 0;
  int columns = 0;
  std::vector<Image> frames;
};

/// Resizes and cuts a picture as the reference processor does (sizes, rounding, order of the resizes), bit
/// for bit. Errors: kInvalidArgument for an empty picture.
Result<TiledImage> tile_image(const Image& picture, const TilingConfig& config, WorkerTeam* team = nullptr);

/// One frame as the model's input, [3, T, T], written to `pixels` (3 * T * T floats): the value times
/// rescale_factor in double precision, rounded to float, then (v - mean) / std in float.
void normalize_frame(const Image& frame, const TilingConfig& config, float* pixels);

}  // namespace fovea::image
