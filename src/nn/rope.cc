#include "nn/rope.h"

#include <algorithm>
#include <cmath>

#include "tensor/dtype.h"

namespace fovea::nn {

RotaryEmbedding::RotaryEmbedding(std::size_t head_dim, float theta, bool bf16_frequencies)
    : frequencies_(head_dim / 2) {
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    auto frequency =
        static_cast<float>(1.0 / std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
    if (bf16_frequencies) frequency = tensor::to_float(tensor::to_bfloat16(frequency));
    frequencies_[i] = frequency;
  }
}

RotaryEmbedding::Rotations RotaryEmbedding::rotations(std::span<const std::size_t> positions) const {
  const std::size_t tokens = positions.size();
  Rotations result;
  result.half_ = frequencies_.size();
  result.cos_ = tensor::Buffer<float>(tokens * result.half_);
  result.sin_ = tensor::Buffer<float>(tokens * result.half_);
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t i = 0; i < result.half_; ++i) {
      // The reference forms the angle in float; cosine and sine of that float are then exact to rounding.
      const float angle = static_cast<float>(positions[token]) * frequencies_[i];
      result.cos_[token * result.half_ + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      result.sin_[token * result.half_ + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  return result;
}

void RotaryEmbedding::Rotations::apply(float* x, std::size_t heads, std::size_t token) const {
  const float* cos = cos_.data() + token * half_;
  const float* sin = sin_.data() + token * half_;
  for (std::size_t head = 0; head < heads; ++head, x += 2 * half_) {
    for (std::size_t i = 0; i < half_; ++i) {
      const float first = x[i];
      const float second = x[i + half_];
      x[i] = first * cos[i] - second * sin[i];
      x[i + half_] = second * cos[i] + first * sin[i];
    }
  }
}

void rotate(const Compute& compute, const RotaryEmbedding::Rotations& rotations, float* q,
            std::size_t q_heads, float* k, std::size_t k_heads, std::size_t tokens) {
  constexpr std::size_t kTokensPerTask = 32;
  compute.team.parallel_for((tokens + kTokensPerTask - 1) / kTokensPerTask, [&](std::size_t task) {
    const std::size_t last = std::min(tokens, (task + 1) * kTokensPerTask);
    for (std::size_t token = task * kTokensPerTask; token < last; ++token) {
      rotations.apply(q + token * q_heads * rotations.head_dim(), q_heads, token);
      rotations.apply(k + token * k_heads * rotations.head_dim(), k_heads, token);
    }
  });
}

}  // namespace fovea::nn
