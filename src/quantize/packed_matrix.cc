#include "quantize/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels.h"

namespace fovea::quantize {
namespace {

using kernels::kInt4GroupSize;
using kernels::kPackedColumns;
using kernels::kPackedDepth;

constexpr std::size_t kMostHadamard = 64;
constexpr float kMostInt8 = 127.0F;
constexpr float kMostMultiplier = 15.0F;

/// To the nearest integer, ties to even, for |x| < 2^22; unlike std::nearbyint the compiler vectorises it.
float round_small(float x) {
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23
  return (x + kShift) - kShift;
}

/// The Hadamard transform of every block of x, divided by the block's size.
void transform(float* x, std::size_t columns, std::size_t block) {
  hadamard_transform(x, columns, block);
  const float scale = 1.0F / static_cast<float>(block);
  for (std::size_t i = 0; i < columns; ++i) x[i] *= scale;
}

/// A row's integers [depth] and what they are multiplied by.
struct QuantizedRow {
  std::vector<float> integers;
  std::vector<float> multipliers;  // int4: [depth / 32]
  float scale = 0.0F;
};

void quantize_int8(const std::vector<float>& row, QuantizedRow& out) {
  float highest = 0.0F;
  for (const float value : row) highest = std::max(highest, std::abs(value));
  out.scale = highest / kMostInt8;
  const float inverse = highest > 0.0F ? kMostInt8 / highest : 0.0F;
  for (std::size_t i = 0; i < row.size(); ++i) {
    out.integers[i] = std::clamp(round_small(row[i] * inverse), -kMostInt8, kMostInt8);
  }
}

float int4_value(float x, float inverse_step) {
  return std::min(std::max(round_small(x * inverse_step), -8.0F), 7.0F);
}

/// The squared error of a group at a step.
float group_error(const float* x, float step) {
  const float inverse = 1.0F / step;
  float error = 0.0F;
  for (std::size_t i = 0; i < kInt4GroupSize; ++i) {
    const float difference = x[i] - step * int4_value(x[i], inverse);
    error += difference * difference;
  }
  return error;
}

void quantize_int4(const std::vector<float>& row, QuantizedRow& out) {
  const std::size_t groups = row.size() / kInt4GroupSize;
  std::vector<float> steps(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    float lowest = 0.0F;
    float highest = 0.0F;
    for (std::size_t i = g * kInt4GroupSize; i < (g + 1) * kInt4GroupSize; ++i) {
      lowest = std::min(lowest, row[i]);
      highest = std::max(highest, row[i]);
    }
    steps[g] = std::max(-lowest / 8.0F, highest / 7.0F);
  }
  out.scale = *std::ranges::max_element(steps) / kMostMultiplier;
  if (!(out.scale > 0.0F)) {
    std::ranges::fill(out.multipliers, 1.0F);
    std::ranges::fill(out.integers, 0.0F);
    return;
  }
  for (std::size_t g = 0; g < groups; ++g) {
    const float* x = row.data() + g * kInt4GroupSize;
    // Around the step that just holds the largest value: above it every value is rounded more coarsely, below
    // it the largest are cut off; the smallest error decides.
    const float wanted = std::ceil(steps[g] / out.scale);
    float best = 1.0F;
    float least = INFINITY;
    for (const float below : {0.0F, 1.0F, 2.0F}) {
      const float tried = std::clamp(wanted - below, 1.0F, kMostMultiplier);
      const float error = group_error(x, tried * out.scale);
      if (error < least) {
        least = error;
        best = tried;
      }
    }
    out.multipliers[g] = best;
    const float inverse = 1.0F / (best * out.scale);
    for (std::size_t i = 0; i < kInt4GroupSize; ++i) {
      out.integers[g * kInt4GroupSize + i] = int4_value(x[i], inverse);
    }
  }
}

/// Rounds again to the steps that were chosen, every weight after those before it in its block gave it their
/// errors (Moments::feedback). `row` is used up.
void round_with_feedback(std::vector<float>& row, std::size_t columns, std::span<const float> feedback,
                         QuantizedRow& out) {
  const std::size_t block = hadamard_block(columns);
  for (std::size_t first = 0; first < columns; first += block) {
    const float* matrix = feedback.data() + first * block;
    float* x = row.data() + first;
    for (std::size_t i = 0; i < block; ++i) {
      const float step = out.scale * out.multipliers[(first + i) / kInt4GroupSize];
      const float integer = int4_value(x[i], 1.0F / step);
      out.integers[first + i] = integer;
      const float error = x[i] - integer * step;
      for (std::size_t j = i + 1; j < block; ++j) x[j] -= error * matrix[i * block + j];
    }
  }
}

}  // namespace

void hadamard_transform(float* x, std::size_t columns, std::size_t block) {
  for (std::size_t distance = 1; distance < block; distance *= 2) {
    for (std::size_t first = 0; first < columns; first += 2 * distance) {
      for (std::size_t i = first; i < first + distance; ++i) {
        const float a = x[i];
        const float b = x[i + distance];
        x[i] = a + b;
        x[i + distance] = a - b;
      }
    }
  }
}

std::size_t hadamard_block(std::size_t columns) {
  std::size_t block = 1;
  while (block < kMostHadamard && columns % (2 * block) == 0) block *= 2;
  return block;
}

std::size_t PackedShape::blocks() const {
  return (rows + kPackedColumns - 1) / kPackedColumns;
}

std::size_t PackedShape::depth() const {
  return (columns + kPackedDepth - 1) / kPackedDepth * kPackedDepth;
}

std::size_t PackedShape::value_bytes() const {
  return blocks() * kPackedColumns * depth() / (format == Format::kInt4 ? 2 : 1);
}

std::size_t PackedShape::multiplier_bytes() const {
  return format == Format::kInt4 ? blocks() * kPackedColumns * depth() / kInt4GroupSize : 0;
}

PackedMatrix::PackedMatrix(const PackedShape& shape, const RowReader& read, WorkerTeam& team,
                           const Moments* moments)
    : shape_(shape),
      values_(shape.value_bytes()),
      multipliers_(shape.multiplier_bytes()),
      sums_(shape.blocks() * kPackedColumns),
      scales_(shape.blocks() * kPackedColumns) {
  const bool feeds_back =
      moments != nullptr && moments->columns() == shape.columns && shape.format == Format::kInt4;
  const std::vector<float> feedback = feeds_back ? moments->feedback() : std::vector<float>();
  team.parallel_for(shape.blocks(), [&](std::size_t block) { pack_block(block, read, feedback); });
}

void PackedMatrix::pack_block(std::size_t block, const RowReader& read, std::span<const float> feedback) {
  const std::size_t depth = shape_.depth();
  const bool int4 = shape_.format == Format::kInt4;
  const std::size_t groups = int4 ? depth / kInt4GroupSize : 0;
  std::vector<float> row(depth);
  QuantizedRow quantized{.integers = std::vector<float>(depth), .multipliers = std::vector<float>(groups)};
  std::uint8_t* values = values_.data() + block * kPackedColumns * depth / (int4 ? 2 : 1);
  for (std::size_t j = 0; j < kPackedColumns; ++j) {
    const std::size_t index = block * kPackedColumns + j;
    std::ranges::fill(row, 0.0F);
    if (index < shape_.rows) {
      read(index, row.data());
      transform(row.data(), shape_.columns, hadamard_block(shape_.columns));
    }
    int4 ? quantize_int4(row, quantized) : quantize_int8(row, quantized);
    if (!feedback.empty() && quantized.scale > 0.0F) {
      round_with_feedback(row, shape_.columns, feedback, quantized);
    }
    scales_[index] = quantized.scale;
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < depth; ++k) {
      const auto integer = static_cast<int>(quantized.integers[k]);
      if (!int4) {
        sum += integer;
        values[k / 4 * 64 + 4 * j + k % 4] = static_cast<std::uint8_t>(integer);
        continue;
      }
      sum += integer * static_cast<int>(quantized.multipliers[k / kInt4GroupSize]);
      std::uint8_t& pair = values[k / 8 * 64 + 4 * j + k % 4];
      const auto nibble = static_cast<std::uint8_t>(integer + 8);
      pair = k % 8 < 4 ? nibble : static_cast<std::uint8_t>(pair | nibble << 4);
    }
    sums_[index] = sum;
    for (std::size_t g = 0; g < groups; ++g) {
      multipliers_[(block * groups + g) * kPackedColumns + j] =
          static_cast<std::uint8_t>(quantized.multipliers[g]);
    }
  }
}

PackedView PackedMatrix::view() const {
  return {.shape = shape_,
          .values = values_.data(),
          .multipliers = multipliers_.data(),
          .sums = sums_.data(),
          .scales = scales_.data()};
}

void unpack_row(const PackedView& matrix, std::size_t row, float* out) {
  const PackedShape& shape = matrix.shape;
  const std::size_t depth = shape.depth();
  const std::size_t block = row / kPackedColumns;
  const std::size_t j = row % kPackedColumns;
  const bool int4 = shape.format == Format::kInt4;
  const std::uint8_t* values = matrix.values + block * kPackedColumns * depth / (int4 ? 2 : 1);
  for (std::size_t k = 0; k < shape.columns; ++k) {
    int integer = 0;
    if (int4) {
      const std::uint8_t pair = values[k / 8 * 64 + 4 * j + k % 4];
      const std::uint8_t multiplier =
          matrix.multipliers[(block * (depth / kInt4GroupSize) + k / kInt4GroupSize) * kPackedColumns + j];
      integer = ((k % 8 < 4 ? pair & 15 : pair >> 4) - 8) * multiplier;
    } else {
      const int byte = values[k / 4 * 64 + 4 * j + k % 4];
      integer = byte < 128 ? byte : byte - 256;
    }
    out[k] = matrix.scales[row] * static_cast<float>(integer);
  }
  // The transform is its own inverse up to the size of a block, by which `transform` divides.
  const std::size_t hadamard = hadamard_block(shape.columns);
  transform(out, shape.columns, hadamard);
  for (std::size_t k = 0; k < shape.columns; ++k) out[k] *= static_cast<float>(hadamard);
}

}  // namespace fovea::quantize
