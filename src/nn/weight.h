#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/buffer.h"
#include "tensor/dtype.h"
#include "tensor/safetensors.h"

namespace fovea::nn {

/// What weights are held and multiplied in. Sums, norms, softmax and the residual stream are float in both.
enum class Precision { kF32, kBF16 };

/// A matrix [rows, columns] of weights: a view of a mapped file where the stored type is the one asked for,
/// else a converted copy.
class Weight {
 public:
  Weight() = default;
  /// `stored` must have rows * columns elements of a float type, and outlive the weight.
  Weight(const tensor::StoredTensor& stored, std::size_t rows, std::size_t columns, Precision precision);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] Precision precision() const { return precision_; }
  [[nodiscard]] const float* f32() const { return static_cast<const float*>(data_); }
  [[nodiscard]] const tensor::BFloat16* bf16() const { return static_cast<const tensor::BFloat16*>(data_); }

  /// Writes one row as floats, [columns].
  void copy_row(std::size_t row, float* out) const;

 private:
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  Precision precision_ = Precision::kF32;
  const void* data_ = nullptr;
  tensor::Buffer<std::byte> owned_;
};

/// y = x W^T + b.
struct Linear {
  Weight weight;            ///< [out, in]
  std::vector<float> bias;  ///< [out], or empty
};

/// Takes tensors out of a checkpoint by name and checks their shapes.
class WeightLoader {
 public:
  WeightLoader(const tensor::SafeTensors& checkpoint, Precision precision)
      : checkpoint_(checkpoint), precision_(precision) {}

  [[nodiscard]] bool has(const std::string& name) const { return checkpoint_.find(name) != nullptr; }

  /// A matrix; a stored tensor of higher rank whose first extent is `rows` is flattened.
  /// Errors (kInvalidModel): no such tensor, another shape, no float type.
  Result<Weight> matrix(const std::string& name, std::size_t rows, std::size_t columns) const;
  /// A vector as floats. Errors: likewise.
  Result<std::vector<float>> vector(const std::string& name, std::size_t size) const;
  /// A matrix as floats, whatever the precision of products. Errors: likewise.
  Result<std::vector<float>> table(const std::string& name, std::size_t rows, std::size_t columns) const;
  /// `prefix`.weight and, if `bias`, `prefix`.bias.
  Result<Linear> linear(const std::string& prefix, std::size_t out, std::size_t in, bool bias) const;

 private:
  [[nodiscard]] Result<const tensor::StoredTensor*> find(const std::string& name, std::size_t first,
                                                         std::size_t elements) const;

  const tensor::SafeTensors& checkpoint_;
  Precision precision_;
};

}  // namespace fovea::nn
