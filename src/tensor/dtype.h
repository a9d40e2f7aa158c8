#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fovea::tensor {

/// Element types, with the names that safetensors headers use.
enum class DType { kF32, kF16, kBF16, kU8, kI8, kI32, kI64 };

[[nodiscard]] std::size_t dtype_size(DType dtype);                      ///< bytes of one element
[[nodiscard]] const char* dtype_name(DType dtype);                      ///< "F32", "BF16", …
[[nodiscard]] std::optional<DType> parse_dtype(std::string_view name);  ///< from "F32", "BF16", …

/// The upper half of a float's bits; a storage type, converted by the functions below.
struct BFloat16 {
  std::uint16_t bits = 0;
};

/// IEEE 754 binary16, likewise.
struct Float16 {
  std::uint16_t bits = 0;
};

[[nodiscard]] inline float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

/// Rounds to the nearest bfloat16, ties to even; a NaN stays a (quiet) NaN.
[[nodiscard]] inline BFloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return {static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16)};
}

[[nodiscard]] float to_float(Float16 value);

}  // namespace fovea::tensor
