#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/worker_team.h"
#include "quantize/moments.h"
#include "quantize/packed_matrix.h"
#include "tensor/buffer.h"
#include "tensor/dtype.h"
#include "tensor/safetensors.h"

namespace fovea::nn {

/// What weights are held and multiplied in. Norms, softmax and the residual stream are float in all. int8 and
/// int4 weights are multiplied with activations rounded to int8, row by row; their sums are exact.
enum class Precision { kF32, kBF16, kInt8, kInt4 };

/// "f32", "bf16", "int8", "int4".
[[nodiscard]] const char* precision_name(Precision precision);
[[nodiscard]] std::optional<Precision> parse_precision(std::string_view name);

/// A matrix [rows, columns] of weights: a view of a mapped file where the stored type is the one asked for,
/// else a converted copy.
class Weight {
 public:
  Weight() = default;
  /// f32 or bf16. `stored` must have rows * columns elements of a float type, and outlive the weight.
  Weight(const tensor::StoredTensor& stored, std::size_t rows, std::size_t columns, Precision precision);
  /// int8 or int4, owned, or a view of memory that outlives the weight.
  explicit Weight(quantize::PackedMatrix packed);
  explicit Weight(const quantize::PackedView& packed);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] Precision precision() const { return precision_; }
  [[nodiscard]] const float* f32() const { return static_cast<const float*>(data_); }
  [[nodiscard]] const tensor::BFloat16* bf16() const { return static_cast<const tensor::BFloat16*>(data_); }

  [[nodiscard]] bool is_packed() const { return packed_.values != nullptr; }
  [[nodiscard]] const quantize::PackedView& packed() const { return packed_; }

  /// Writes one row as floats, [columns].
  void copy_row(std::size_t row, float* out) const;

 private:
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  Precision precision_ = Precision::kF32;
  const void* data_ = nullptr;
  tensor::Buffer<std::byte> owned_;
  quantize::PackedMatrix owned_packed_;
  quantize::PackedView packed_;
};

/// A table of vectors [rows, columns] that are looked up, not multiplied: floats as they are stored, or int8
/// with a scale for each row. A view of memory that outlives it.
class Embedding {
 public:
  Embedding() = default;
  Embedding(const tensor::StoredTensor& stored, std::size_t columns) : stored_(stored), columns_(columns) {}
  Embedding(const tensor::StoredTensor& int8, const float* scales, std::size_t columns)
      : stored_(int8), scales_(scales), columns_(columns) {}

  /// Writes one row as floats, [columns].
  void copy_row(std::size_t row, float* out) const;
  [[nodiscard]] std::size_t columns() const { return columns_; }

 private:
  tensor::StoredTensor stored_;
  const float* scales_ = nullptr;  // [rows] of int8
  std::size_t columns_ = 0;
};

/// y = x W^T + b.
struct Linear {
  Weight weight;            ///< [out, in]
  std::vector<float> bias;  ///< [out], or empty
  std::string name = {};    ///< of the weight in its checkpoint
};

/// Takes tensors out of a checkpoint by name and checks their shapes. Matrices that the checkpoint holds
/// packed (see quantize/storage.h) are used as they lie; others are converted, or quantised, to the
/// precision.
class WeightLoader {
 public:
  /// `team` quantises, with the moments of `calibration`, if there is one, which outlives the loader.
  WeightLoader(const tensor::SafeTensors& checkpoint, Precision precision, WorkerTeam& team,
               const quantize::Calibration* calibration = nullptr)
      : checkpoint_(checkpoint), precision_(precision), team_(team), calibration_(calibration) {}

  /// Whether there is a matrix of that name, as floats or packed.
  [[nodiscard]] bool has(const std::string& name) const;

  /// The layer with this weight and no bias. Errors: as matrix.
  Result<Linear> head(const std::string& name, std::size_t out, std::size_t in) const;
  /// A matrix; a stored tensor of higher rank whose first extent is `rows` is flattened.
  /// Errors (kInvalidModel): no such tensor, another shape, no float type.
  Result<Weight> matrix(const std::string& name, std::size_t rows, std::size_t columns) const;
  /// A table for lookups. Errors: likewise.
  Result<Embedding> embedding(const std::string& name, std::size_t rows, std::size_t columns) const;
  /// A vector as floats. Errors: likewise.
  Result<std::vector<float>> vector(const std::string& name, std::size_t size) const;
  /// A matrix as floats, whatever the precision of products. Errors: likewise.
  Result<std::vector<float>> table(const std::string& name, std::size_t rows, std::size_t columns) const;
  /// `prefix`.weight and, if `bias`, `prefix`.bias.
  Result<Linear> linear(const std::string& prefix, std::size_t out, std::size_t in, bool bias) const;

 private:
  /// The packed matrix of that name in one format, if the checkpoint holds it. Errors: another shape.
  [[nodiscard]] Result<std::optional<Weight>> packed(const std::string& name,
                                                     const quantize::PackedShape& shape) const;
  [[nodiscard]] Result<const tensor::StoredTensor*> find(const std::string& name, std::size_t first,
                                                         std::size_t elements) const;

  const tensor::SafeTensors& checkpoint_;
  Precision precision_;
  WorkerTeam& team_;
  const quantize::Calibration* calibration_;
};

}  // namespace fovea::nn
