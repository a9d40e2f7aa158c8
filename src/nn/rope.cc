#include "nn/rope.h"

#include <cmath>

#include "tensor/dtype.h"

namespace fovea::nn {

RotaryEmbedding::RotaryEmbedding(std::size_t head_dim, float theta, std::size_t positions,
                                 bool bf16_frequencies)
    : half_(head_dim / 2), cos_(positions * half_), sin_(positions * half_) {
  for (std::size_t i = 0; i < half_; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    auto frequency =
        static_cast<float>(1.0 / std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
    if (bf16_frequencies) frequency = tensor::to_float(tensor::to_bfloat16(frequency));
    for (std::size_t position = 0; position < positions; ++position) {
      // The reference forms the angle in float; cosine and sine of that float are then exact to rounding.
      const float angle = static_cast<float>(position) * frequency;
      cos_[position * half_ + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sin_[position * half_ + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void RotaryEmbedding::apply(float* x, std::size_t heads, std::size_t position) const {
  const float* cos = cos_.data() + position * half_;
  const float* sin = sin_.data() + position * half_;
  for (std::size_t head = 0; head < heads; ++head, x += 2 * half_) {
    for (std::size_t i = 0; i < half_; ++i) {
      const float first = x[i];
      const float second = x[i + half_];
      x[i] = first * cos[i] - second * sin[i];
      x[i + half_] = second * cos[i] + first * sin[i];
    }
  }
}

}  // namespace fovea::nn
