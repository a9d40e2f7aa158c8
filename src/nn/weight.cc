#include "nn/weight.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "quantize/storage.h"
namespace fovea::nn {
namespace {

using tensor::BFloat16;
using tensor::DType;
using tensor::Float16;
using tensor::StoredTensor;

template <class Stored>
Stored element(const StoredTensor& stored, std::size_t index) {
  Stored value;
  std::memcpy(&value, stored.bytes.data() + index * sizeof value, sizeof value);
  return value;
}

/// Element `index` as a float, whatever float type it is stored in.
float element_as_float(const StoredTensor& stored, std::size_t index) {
  switch (stored.dtype) {
    case DType::kBF16:
      return tensor::to_float(element<BFloat16>(stored, index));
    case DType::kF16:
      return tensor::to_float(element<Float16>(stored, index));
    default:
      return element<float>(stored, index);
  }
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

constexpr std::pair<Precision, const char*> kNames[] = {{Precision::kF32, "f32"},
                                                        {Precision::kBF16, "bf16"},
                                                        {Precision::kInt8, "int8"},
                                                        {Precision::kInt4, "int4"}};

DType stored_type(Precision precision) {
  return precision == Precision::kBF16 ? DType::kBF16 : DType::kF32;
}

}  // namespace

const char* precision_name(Precision precision) {
  for (const auto& [value, name] : kNames) {
    if (value == precision) return name;
  }
  return "";
}

std::optional<Precision> parse_precision(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (name == known) return value;
  }
  return std::nullopt;
}

Weight::Weight(const StoredTensor& stored, std::size_t rows, std::size_t columns, Precision precision)
    : rows_(rows), columns_(columns), precision_(precision), data_(stored.bytes.data()) {
  const std::size_t size = tensor::dtype_size(stored_type(precision));
  const bool aligned = reinterpret_cast<std::uintptr_t>(data_) % size == 0;
  if (stored.dtype == stored_type(precision) && aligned) return;

  const std::size_t elements = rows * columns;
  owned_ = tensor::Buffer<std::byte>(elements * size);
  data_ = owned_.data();
  if (precision == Precision::kBF16) {
    auto* out = reinterpret_cast<BFloat16*>(owned_.data());
    for (std::size_t i = 0; i < elements; ++i) out[i] = tensor::to_bfloat16(element_as_float(stored, i));
  } else {
    auto* out = reinterpret_cast<float*>(owned_.data());
    for (std::size_t i = 0; i < elements; ++i) out[i] = element_as_float(stored, i);
  }
}

Weight::Weight(quantize::PackedMatrix packed) : Weight(packed.view()) {
  owned_packed_ = std::move(packed);  // moving leaves the memory, and so the view, where it is
}

Weight::Weight(const quantize::PackedView& packed)
    : rows_(packed.shape.rows),
      columns_(packed.shape.columns),
      precision_(packed.shape.format == quantize::Format::kInt4 ? Precision::kInt4 : Precision::kInt8),
      packed_(packed) {}

void Weight::copy_row(std::size_t row, float* out) const {
  if (is_packed()) {
    quantize::unpack_row(packed_, row, out);
    return;
  }
  if (precision_ == Precision::kF32) {
    std::memcpy(out, f32() + row * columns_, columns_ * sizeof(float));
    return;
  }
  const BFloat16* values = bf16() + row * columns_;
  for (std::size_t i = 0; i < columns_; ++i) out[i] = tensor::to_float(values[i]);
}

void Embedding::copy_row(std::size_t row, float* out) const {
  for (std::size_t i = 0; i < columns_; ++i) {
    const std::size_t index = row * columns_ + i;
    out[i] = scales_ == nullptr ? element_as_float(stored_, index)
                                : scales_[row] * static_cast<float>(element<std::int8_t>(stored_, index));
  }
}

bool WeightLoader::has(const std::string& name) const {
  return checkpoint_.find(name) != nullptr ||
         checkpoint_.find(name + std::string(quantize::kInt8Suffix)) != nullptr ||
         checkpoint_.find(name + std::string(quantize::kInt4Suffix)) != nullptr;
}

Result<const StoredTensor*> WeightLoader::find(const std::string& name, std::size_t first,
                                               std::size_t elements) const {
  const std::string file = checkpoint_.files().empty() ? "checkpoint" : checkpoint_.files().front().string();
  const StoredTensor* stored = checkpoint_.find(name);
  if (stored == nullptr)
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: tensor {} is missing", file, name));
  if (!is_float(stored->dtype)) {
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: tensor {} has type {}, expected F32, F16 or BF16",
                                                      file, name, tensor::dtype_name(stored->dtype)));
  }
  if (stored->shape.empty() || stored->shape.front() != first || stored->elements() != elements) {
    return fail(
        ErrorCode::kInvalidModel,
        fmt::format("{}: tensor {} has shape [{}], expected {} elements in {} rows as config.json says", file,
                    name, fmt::join(stored->shape, ", "), elements, first));
  }
  return stored;
}

Result<std::optional<Weight>> WeightLoader::packed(const std::string& name,
                                                   const quantize::PackedShape& shape) const {
  FOVEA_TRY(const auto view, quantize::find_packed(checkpoint_, name, shape));
  if (!view) return std::nullopt;
  return Weight(*view);
}

Result<Weight> WeightLoader::matrix(const std::string& name, std::size_t rows, std::size_t columns) const {
  for (const auto format : {quantize::Format::kInt8, quantize::Format::kInt4}) {
    FOVEA_TRY(auto stored, packed(name, {.format = format, .rows = rows, .columns = columns}));
    if (stored) return *std::move(stored);
  }
  FOVEA_TRY(const StoredTensor* stored, find(name, rows, rows * columns));
  if (precision_ == Precision::kF32 || precision_ == Precision::kBF16) {
    return Weight(*stored, rows, columns, precision_);
  }
  const quantize::PackedShape shape{
      .format = precision_ == Precision::kInt4 ? quantize::Format::kInt4 : quantize::Format::kInt8,
      .rows = rows,
      .columns = columns};
  const auto read = [&](std::size_t row, float* out) {
    for (std::size_t i = 0; i < columns; ++i) out[i] = element_as_float(*stored, row * columns + i);
  };
  const quantize::Moments* moments = nullptr;
  if (calibration_ != nullptr) {
    const auto found = calibration_->find(name);
    if (found != calibration_->end()) moments = found->second.get();
  }
  return Weight(quantize::PackedMatrix(shape, read, team_, moments));
}

Result<Embedding> WeightLoader::embedding(const std::string& name, std::size_t rows,
                                          std::size_t columns) const {
  FOVEA_TRY(const auto int8, quantize::find_int8_rows(checkpoint_, name, rows, columns));
  if (int8) return Embedding(*int8->values, int8->scales, columns);
  FOVEA_TRY(const StoredTensor* stored, find(name, rows, rows * columns));
  return Embedding(*stored, columns);
}

Result<std::vector<float>> WeightLoader::table(const std::string& name, std::size_t rows,
                                               std::size_t columns) const {
  FOVEA_TRY(const StoredTensor* stored, find(name, rows, rows * columns));
  std::vector<float> values(stored->elements());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = element_as_float(*stored, i);
  return values;
}

Result<std::vector<float>> WeightLoader::vector(const std::string& name, std::size_t size) const {
  return table(name, size, 1);
}

Result<Linear> WeightLoader::head(const std::string& name, std::size_t out, std::size_t in) const {
  FOVEA_TRY(Weight weight, matrix(name, out, in));
  return Linear{.weight = std::move(weight), .bias = {}, .name = name};
}

Result<Linear> WeightLoader::linear(const std::string& prefix, std::size_t out, std::size_t in,
                                    bool bias) const {
  FOVEA_TRY(Linear linear, head(prefix + ".weight", out, in));
  if (bias) {
    FOVEA_TRY(linear.bias, vector(prefix + ".bias", out));
  }
  return linear;
}

}  // namespace fovea::nn
