#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/worker_team.h"
#include "quantize/moments.h"
#include "tensor/buffer.h"

namespace fovea::quantize {

/// How the weights of a matrix are held. int8: one scale an output. int4: also a multiplier of 1 to 15 for
/// every 32 neighbouring inputs of an output.
enum class Format { kInt8, kInt4 };

/// Extents of a packed matrix [rows, columns] (outputs, inputs). Rows are padded to blocks of 16, columns to
/// `depth`, with zeros.
struct PackedShape {
  Format format = Format::kInt8;
  std::size_t rows = 0;
  std::size_t columns = 0;

  [[nodiscard]] std::size_t blocks() const;
  [[nodiscard]] std::size_t depth() const;
  [[nodiscard]] std::size_t value_bytes() const;
  [[nodiscard]] std::size_t multiplier_bytes() const;  ///< 0 for int8
};

/// A packed matrix in somebody's memory (a mapped file, or a PackedMatrix): W = scale * integer * H, where H
/// is the block Hadamard matrix of `hadamard_block(columns)` divided by its size. Products read activations
/// multiplied by the same H, unscaled (Ashkboos et al. 2024, QuaRot): a few large channels, which would leave
/// the others no bits, are spread over the block.
struct PackedView {
  PackedShape shape;
  const std::uint8_t* values = nullptr;       ///< as kernels::MatmulQuantized::b
  const std::uint8_t* multipliers = nullptr;  ///< as ...b_multipliers; null for int8
  const std::int32_t* sums = nullptr;         ///< [16 * blocks] of the integers
  const float* scales = nullptr;              ///< [16 * blocks]
};

/// The size of the Hadamard blocks for rows of so many values: the largest power of two up to 64 that divides
/// it.
[[nodiscard]] std::size_t hadamard_block(std::size_t columns);

/// Multiplies every `block` neighbouring values by the Hadamard matrix of that size, unscaled, in place.
void hadamard_transform(float* x, std::size_t columns, std::size_t block);

/// Writes row `row` of a matrix as floats, [columns]. Called by several threads at a time.
using RowReader = std::function<void(std::size_t row, float* out)>;

/// An owned packed matrix.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Quantises the rows that `read` gives, with round to nearest; int4 multipliers by least squares. With
  /// `moments` of the inputs int4 weights are rounded one after the other, each making good what the errors
  /// before it would do to the output.
  PackedMatrix(const PackedShape& shape, const RowReader& read, WorkerTeam& team,
               const Moments* moments = nullptr);

  [[nodiscard]] PackedView view() const;

 private:
  void pack_block(std::size_t block, const RowReader& read, std::span<const float> feedback);

  PackedShape shape_;
  tensor::Buffer<std::uint8_t> values_;
  tensor::Buffer<std::uint8_t> multipliers_;
  tensor::Buffer<std::int32_t> sums_;
  tensor::Buffer<float> scales_;
};

/// Row `row` of a packed matrix as the floats it stands for, [columns].
void unpack_row(const PackedView& matrix, std::size_t row, float* out);

}  // namespace fovea::quantize
