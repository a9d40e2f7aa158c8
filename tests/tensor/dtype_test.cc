#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace fovea::tensor {
namespace {

TEST(BFloat16, EveryValueSurvivesTheWayToFloatAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const BFloat16 value{static_cast<std::uint16_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(wide))));
    } else {
      EXPECT_EQ(to_bfloat16(wide).bits, value.bits);
    }
  }
}

TEST(BFloat16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(to_float(to_bfloat16(1.0F + 1.0F / 256)), 1.0F);               // halfway, down to even
  EXPECT_EQ(to_float(to_bfloat16(1.0F + 3.0F / 256)), 1.0F + 4.0F / 256);  // halfway, up to even
  EXPECT_EQ(to_float(to_bfloat16(1.0F + 1.01F / 256)), 1.0F + 2.0F / 256);
  EXPECT_TRUE(std::isinf(to_float(to_bfloat16(std::numeric_limits<float>::max()))));
}

TEST(Float16, EqualsItsDefinitionForEveryValue) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>((bits >> 10) & 0x1F);
    const double mantissa = bits & 0x3FF;
    double exact = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31) exact = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
    if ((bits & 0x8000) != 0) exact = -exact;
    const float value = to_float(Float16{static_cast<std::uint16_t>(bits)});
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      EXPECT_EQ(value, static_cast<float>(exact)) << bits;
    }
  }
}

TEST(DType, NamesAndSizesGoTogether) {
  for (const char* name : {"F32", "F16", "BF16", "U8", "I8", "I32", "I64"}) {
    ASSERT_TRUE(parse_dtype(name).has_value());
    EXPECT_STREQ(dtype_name(*parse_dtype(name)), name);
  }
  EXPECT_EQ(dtype_size(DType::kBF16), 2U);
  EXPECT_EQ(dtype_size(DType::kI64), 8U);
  EXPECT_FALSE(parse_dtype("F8_E4M3").has_value());
}

}  // namespace
}  // namespace fovea::tensor
