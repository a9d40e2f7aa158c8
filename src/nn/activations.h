#pragma once

#include <cstddef>
#include <cstdint>

#include "nn/compute.h"
#include "nn/norm.h"
#include "nn/weight.h"
#include "tensor/buffer.h"

namespace fovea::nn {

/// Rows of activations [rows, columns] in the form that products with weights of one precision read: floats,
/// bfloat16, or int8 with a scale for every row behind a block Hadamard transform (see quantize::PackedView).
/// Filled once, then read by every product that shares them (q, k and v; gate and up). Filling again reuses
/// the memory.
class Activations {
 public:
  /// x [rows, columns]. With float weights x is only looked at: it must outlive the products.
  void assign(const Compute& compute, Precision weights, const float* x, std::size_t rows,
              std::size_t columns);
  /// The normalised rows of x, without a float copy of all of them.
  void assign(const Compute& compute, Precision weights, const LayerNorm& norm, const float* x,
              std::size_t rows);
  void assign(const Compute& compute, Precision weights, const RmsNorm& norm, const float* x,
              std::size_t rows);
  /// silu(gate) * up, both [rows, columns].
  void assign_silu_product(const Compute& compute, Precision weights, const float* gate, const float* up,
                           std::size_t rows, std::size_t columns);

  [[nodiscard]] Precision weights() const { return weights_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }

  [[nodiscard]] const float* f32() const { return f32_; }                      ///< [rows, columns]
  [[nodiscard]] const tensor::BFloat16* bf16() const { return bf16_.data(); }  ///< [rows, columns]
  [[nodiscard]] const std::uint8_t* int8() const { return int8_.data(); }      ///< [rows, stride()]
  [[nodiscard]] std::size_t stride() const { return stride_; }                 ///< bytes
  [[nodiscard]] const float* scales() const { return scales_.data(); }         ///< [rows]

 private:
  /// make(row, out) writes a row of floats.
  template <class Make>
  void fill(const Compute& compute, Precision weights, std::size_t rows, std::size_t columns, Make make);
  void reserve(Precision weights, std::size_t rows, std::size_t columns);

  Precision weights_ = Precision::kF32;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  std::size_t stride_ = 0;
  const float* f32_ = nullptr;
  tensor::Buffer<float> owned_f32_;
  tensor::Buffer<tensor::BFloat16> bf16_;
  tensor::Buffer<std::uint8_t> int8_;
  tensor::Buffer<float> scales_;
};

}  // namespace fovea::nn
