#include "tensor/dtype.h"

#include <array>
#include <cmath>

namespace fovea::tensor {
namespace {

struct Entry {
  DType dtype;
  const char* name;
  std::size_t size;
};

constexpr std::array<Entry, 7> kTypes{{{DType::kF32, "F32", 4},
                                       {DType::kF16, "F16", 2},
                                       {DType::kBF16, "BF16", 2},
                                       {DType::kU8, "U8", 1},
                                       {DType::kI8, "I8", 1},
                                       {DType::kI32, "I32", 4},
                                       {DType::kI64, "I64", 8}}};

}  // namespace

std::size_t dtype_size(DType dtype) {
  return kTypes[static_cast<std::size_t>(dtype)].size;
}

const char* dtype_name(DType dtype) {
  return kTypes[static_cast<std::size_t>(dtype)].name;
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (const Entry& entry : kTypes) {
    if (name == entry.name) return entry.dtype;
  }
  return std::nullopt;
}

float to_float(Float16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16;
  const std::uint32_t exponent = (value.bits >> 10) & 0x1FU;
  const std::uint32_t mantissa = value.bits & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa x 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t widened = exponent == 0x1F ? 0xFFU : exponent + 112U;
  return std::bit_cast<float>(sign | (widened << 23) | (mantissa << 13));
}

}  // namespace fovea::tensor
