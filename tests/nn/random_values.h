#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace fovea::nn {

/// Normally distributed values, the same on every run.
inline std::vector<float> random_values(std::size_t size, std::uint32_t seed, float deviation = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(size);
  for (float& value : values) value = normal(generator);
  return values;
}

}  // namespace fovea::nn
