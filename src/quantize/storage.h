#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "quantize/packed_matrix.h"
#include "tensor/safetensors.h"

namespace fovea::quantize {

// How a quantised checkpoint names what it holds instead of a matrix NAME:
//   packed, for products    NAME.int8 I8 [blocks, depth / 4, 16, 4], or
//                           NAME.int4 U8 [blocks, depth / 8, 64] and NAME.multipliers U8 [blocks, depth / 32,
//                           16]; NAME.sums I32 and NAME.scales F32, [16 * blocks]
//   by rows, for lookups    NAME.int8_rows I8 [rows, columns] and NAME.row_scales F32 [rows]
// Blocks and depth are those of PackedShape.
inline constexpr std::string_view kInt8Suffix = ".int8";
inline constexpr std::string_view kInt4Suffix = ".int4";
inline constexpr std::string_view kMultipliersSuffix = ".multipliers";
inline constexpr std::string_view kSumsSuffix = ".sums";
inline constexpr std::string_view kScalesSuffix = ".scales";
inline constexpr std::string_view kInt8RowsSuffix = ".int8_rows";
inline constexpr std::string_view kRowScalesSuffix = ".row_scales";

/// The packed matrix `name` of the shape's format, if the checkpoint holds one; a view of its maps.
/// Errors (kInvalidModel): a part is missing or has another shape, type or alignment.
Result<std::optional<PackedView>> find_packed(const tensor::SafeTensors& checkpoint, const std::string& name,
                                              const PackedShape& shape);

/// A table by rows.
struct Int8Rows {
  const tensor::StoredTensor* values = nullptr;  ///< I8 [rows, columns]
  const float* scales = nullptr;                 ///< [rows]
};
/// The table `name` by rows, if the checkpoint holds one. Errors: likewise.
Result<std::optional<Int8Rows>> find_int8_rows(const tensor::SafeTensors& checkpoint, const std::string& name,
                                               std::size_t rows, std::size_t columns);

/// The tensors of a packed matrix, to be written: names, types and shapes, with views of its memory, which
/// must outlive them.
std::vector<tensor::NamedTensor> packed_tensors(const std::string& name, const PackedView& matrix);

}  // namespace fovea::quantize
