#include "quantize/storage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace fovea::quantize {
namespace {

using kernels::kInt4GroupSize;
using kernels::kPackedColumns;
using kernels::kPackedStep;
using tensor::DType;
using tensor::StoredTensor;

std::vector<std::size_t> value_shape(const PackedShape& shape) {
  if (shape.format == Format::kInt4) return {shape.blocks(), shape.depth() / 8, kPackedStep};
  return {shape.blocks(), shape.depth() / 4, kPackedColumns, 4};
}

std::vector<std::size_t> multiplier_shape(const PackedShape& shape) {
  return {shape.blocks(), shape.depth() / kInt4GroupSize, kPackedColumns};
}

/// A part that must be there once the matrix is. Numbers of several bytes must lie aligned, since they are
/// read where they are mapped.
Result<const StoredTensor*> find_part(const tensor::SafeTensors& checkpoint, const std::string& name,
                                      DType dtype, const std::vector<std::size_t>& shape) {
  const std::string file = checkpoint.files().empty() ? "checkpoint" : checkpoint.files().front().string();
  const StoredTensor* part = checkpoint.find(name);
  if (part == nullptr) {
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: tensor {} is missing", file, name));
  }
  if (part->dtype != dtype || part->shape != shape) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: tensor {} is {} [{}], expected {} [{}] as config.json says", file, name,
                            tensor::dtype_name(part->dtype), fmt::join(part->shape, ", "),
                            tensor::dtype_name(dtype), fmt::join(shape, ", ")));
  }
  if (reinterpret_cast<std::uintptr_t>(part->bytes.data()) % tensor::dtype_size(dtype) != 0) {
    return fail(
        ErrorCode::kInvalidModel,
        fmt::format("{}: tensor {} begins at an address that is no multiple of {}; write the checkpoint "
                    "again with fovea quantize",
                    file, name, tensor::dtype_size(dtype)));
  }
  return part;
}

template <class T>
const T* data_of(const StoredTensor& part) {
  return reinterpret_cast<const T*>(part.bytes.data());
}

}  // namespace

Result<std::optional<PackedView>> find_packed(const tensor::SafeTensors& checkpoint, const std::string& name,
                                              const PackedShape& shape) {
  const bool int4 = shape.format == Format::kInt4;
  const std::string values_name = name + std::string(int4 ? kInt4Suffix : kInt8Suffix);
  if (checkpoint.find(values_name) == nullptr) return std::nullopt;
  const std::vector<std::size_t> padded_rows = {shape.blocks() * kPackedColumns};
  PackedView view{.shape = shape};
  FOVEA_TRY(const StoredTensor* values,
            find_part(checkpoint, values_name, int4 ? DType::kU8 : DType::kI8, value_shape(shape)));
  view.values = data_of<std::uint8_t>(*values);
  if (int4) {
    FOVEA_TRY(const StoredTensor* multipliers, find_part(checkpoint, name + std::string(kMultipliersSuffix),
                                                         DType::kU8, multiplier_shape(shape)));
    view.multipliers = data_of<std::uint8_t>(*multipliers);
  }
  FOVEA_TRY(const StoredTensor* sums,
            find_part(checkpoint, name + std::string(kSumsSuffix), DType::kI32, padded_rows));
  view.sums = data_of<std::int32_t>(*sums);
  FOVEA_TRY(const StoredTensor* scales,
            find_part(checkpoint, name + std::string(kScalesSuffix), DType::kF32, padded_rows));
  view.scales = data_of<float>(*scales);
  return view;
}

Result<std::optional<Int8Rows>> find_int8_rows(const tensor::SafeTensors& checkpoint, const std::string& name,
                                               std::size_t rows, std::size_t columns) {
  const std::string values_name = name + std::string(kInt8RowsSuffix);
  if (checkpoint.find(values_name) == nullptr) return std::nullopt;
  Int8Rows found;
  FOVEA_TRY(found.values, find_part(checkpoint, values_name, DType::kI8, {rows, columns}));
  FOVEA_TRY(const StoredTensor* scales,
            find_part(checkpoint, name + std::string(kRowScalesSuffix), DType::kF32, {rows}));
  found.scales = data_of<float>(*scales);
  return found;
}

std::vector<tensor::NamedTensor> packed_tensors(const std::string& name, const PackedView& matrix) {
  const PackedShape& shape = matrix.shape;
  const bool int4 = shape.format == Format::kInt4;
  const std::size_t padded_rows = shape.blocks() * kPackedColumns;
  std::vector<tensor::NamedTensor> parts;
  const auto add = [&](std::string_view suffix, DType dtype, const std::vector<std::size_t>& extents,
                       const auto* data, std::size_t count) {
    parts.push_back({.name = name + std::string(suffix),
                     .dtype = dtype,
                     .shape = extents,
                     .bytes = std::as_bytes(std::span(data, count))});
  };
  add(int4 ? kInt4Suffix : kInt8Suffix, int4 ? DType::kU8 : DType::kI8, value_shape(shape), matrix.values,
      shape.value_bytes());
  if (int4) {
    add(kMultipliersSuffix, DType::kU8, multiplier_shape(shape), matrix.multipliers,
        shape.multiplier_bytes());
  }
  add(kSumsSuffix, DType::kI32, {padded_rows}, matrix.sums, padded_rows);
  add(kScalesSuffix, DType::kF32, {padded_rows}, matrix.scales, padded_rows);
  return parts;
}

}  // namespace fovea::quantize
