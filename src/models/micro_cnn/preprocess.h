#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/image.h"

namespace fovea::models::micro_cnn {

/// The one preparation of a picture, for training, server and device, in integers: the centred square of side
/// S = min(width, height) (left = (width - S) / 2, top likewise), reduced to `size` x `size`. A pixel is the
/// mean of the source rows from floor(i S / size) up to floor((i + 1) S / size), at least one, and columns
/// likewise: (sum + n / 2) / n of the n pixels, rounded down. Returns [size, size, 3]; both networks take
/// p - 128 of it, the float one divided by 128. `image` must have pixels, at most 65,535 a side;
/// `size` at least 16.
std::vector<std::uint8_t> preprocess(const image::Image& image, std::size_t size);

}  // namespace fovea::models::micro_cnn
