#pragma once

#include "base/worker_team.h"
#include "image/image.h"

namespace fovea::image {

/// Resampling filters; the values are Pillow's codes, as `resample` in a preprocessor config carries them.
enum class Filter { kNearest = 0, kLanczos = 1, kBilinear = 2, kBicubic = 3, kBox = 4, kHamming = 5 };

/// Resizes to width x height (both at least 1) bit for bit as Pillow's Image.resize does on 8-bit RGB: a
/// horizontal and then a vertical pass with 22-bit fixed-point taps, each rounded to 8 bits; a pass that
/// changes nothing is skipped. `team` may be null.
/// Source: Pillow's separable resampler, as described in its documentation of Image.resize.
Image resize(const Image& source, int width, int height, Filter filter, WorkerTeam* team = nullptr);

}  // namespace fovea::image
