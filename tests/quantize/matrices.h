#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "base/worker_team.h"
#include "quantize/packed_matrix.h"

namespace fovea::quantize {

/// Normally distributed values, the same on every run.
inline std::vector<float> random_values(std::size_t size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  for (float& value : values) value = normal(generator);
  return values;
}

/// Packs values [rows, columns].
inline PackedMatrix pack(const PackedShape& shape, const std::vector<float>& values,
                         const Moments* moments = nullptr, std::size_t threads = 1) {
  WorkerTeam team(threads);
  const auto read = [&](std::size_t row, float* out) {
    std::copy_n(values.data() + row * shape.columns, shape.columns, out);
  };
  return PackedMatrix(shape, read, team, moments);
}

/// The floats that a packed matrix stands for, [rows, columns].
inline std::vector<float> unpack(const PackedView& matrix) {
  std::vector<float> values(matrix.shape.rows * matrix.shape.columns);
  for (std::size_t row = 0; row < matrix.shape.rows; ++row) {
    unpack_row(matrix, row, values.data() + row * matrix.shape.columns);
  }
  return values;
}

}  // namespace fovea::quantize
