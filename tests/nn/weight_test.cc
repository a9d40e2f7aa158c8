#include "nn/weight.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "nn/random_values.h"

namespace fovea::nn {
namespace {

using tensor::DType;

/// Bytes of values in a stored type, beginning `offset` bytes after an aligned address.
class Bytes {
 public:
  Bytes(const std::vector<std::uint32_t>& elements, std::size_t size, std::size_t offset)
      : memory_(elements.size() * size + offset), offset_(offset) {
    for (std::size_t i = 0; i < elements.size(); ++i)
      std::memcpy(memory_.data() + offset + i * size, &elements[i], size);
  }
  [[nodiscard]] tensor::StoredTensor tensor(DType dtype, std::vector<std::size_t> shape) const {
    return {.dtype = dtype, .shape = std::move(shape), .bytes = memory_.span().subspan(offset_)};
  }
  [[nodiscard]] const std::byte* begin() const { return memory_.data() + offset_; }

 private:
  tensor::Buffer<std::byte> memory_;
  std::size_t offset_;
};

constexpr std::uint32_t kOne16 = 0x3C00;       // binary16
constexpr std::uint32_t kMinusTwo16 = 0xC000;  //
constexpr std::uint32_t kTiny16 = 0x0001;      // 2^-24, subnormal
constexpr std::uint32_t kThird16 = 0x3555;     // 0.333251953125
constexpr std::uint32_t kOneBf16 = 0x3F80;     // bfloat16
constexpr std::uint32_t kPiBf16 = 0x4049;      // 3.140625

std::vector<float> row(const Weight& weight, std::size_t index) {
  std::vector<float> values(weight.columns());
  weight.copy_row(index, values.data());
  return values;
}

TEST(WeightTest, HalfPrecisionIsWidenedExactly) {
  const Bytes bytes({kOne16, kMinusTwo16, kTiny16, kThird16}, 2, 0);
  const Weight weight(bytes.tensor(DType::kF16, {2, 2}), 2, 2, Precision::kF32);
  EXPECT_EQ(row(weight, 0), (std::vector<float>{1, -2}));
  EXPECT_EQ(row(weight, 1), (std::vector<float>{std::ldexp(1.0F, -24), 0.333251953125F}));
}

TEST(WeightTest, Bf16IsWidenedExactlyOrUsedAsItLies) {
  const Bytes bytes({kOneBf16, kPiBf16}, 2, 0);
  const auto stored = bytes.tensor(DType::kBF16, {1, 2});
  EXPECT_EQ(row(Weight(stored, 1, 2, Precision::kF32), 0), (std::vector<float>{1, 3.140625F}));
  const Weight view(stored, 1, 2, Precision::kBF16);
  EXPECT_EQ(static_cast<const void*>(view.bf16()), static_cast<const void*>(bytes.begin())) << "no copy";
  EXPECT_EQ(row(view, 0), (std::vector<float>{1, 3.140625F}));
}

TEST(WeightTest, F32IsUsedAsItLiesOrRoundedToTheNearestBf16) {
  const float third = 1.0F / 3;
  std::uint32_t bits = 0;
  std::memcpy(&bits, &third, sizeof bits);
  const Bytes bytes({bits}, 4, 0);
  const auto stored = bytes.tensor(DType::kF32, {1, 1});
  const Weight view(stored, 1, 1, Precision::kF32);
  EXPECT_EQ(static_cast<const void*>(view.f32()), static_cast<const void*>(bytes.begin())) << "no copy";
  const Weight rounded(stored, 1, 1, Precision::kBF16);
  EXPECT_EQ(row(rounded, 0)[0], tensor::to_float(tensor::to_bfloat16(third)));
}

TEST(WeightTest, HalfPrecisionBecomesBf16ByRounding) {
  const Bytes bytes({kThird16, kMinusTwo16}, 2, 0);
  const Weight weight(bytes.tensor(DType::kF16, {1, 2}), 1, 2, Precision::kBF16);
  EXPECT_EQ(row(weight, 0)[0], tensor::to_float(tensor::to_bfloat16(0.333251953125F)));
  EXPECT_EQ(row(weight, 0)[1], -2.0F);
}

TEST(WeightTest, DataAtOddAddressesIsCopiedNotReadInPlace) {
  for (const std::size_t offset : {1U, 2U, 3U}) {
    const float value = 1234.5F;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const Bytes floats({bits, bits}, 4, offset);
    const Weight weight(floats.tensor(DType::kF32, {1, 2}), 1, 2, Precision::kF32);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(weight.f32()) % alignof(float), 0U);
    EXPECT_EQ(row(weight, 0), (std::vector<float>{value, value}));
  }
  const Bytes narrow({kOneBf16, kPiBf16}, 2, 1);
  const Weight weight(narrow.tensor(DType::kBF16, {1, 2}), 1, 2, Precision::kBF16);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(weight.bf16()) % alignof(tensor::BFloat16), 0U);
  EXPECT_EQ(row(weight, 0), (std::vector<float>{1, 3.140625F}));
  const Bytes half({kOne16, kMinusTwo16}, 2, 1);
  EXPECT_EQ(row(Weight(half.tensor(DType::kF16, {1, 2}), 1, 2, Precision::kF32), 0),
            (std::vector<float>{1, -2}));
}

TEST(WeightTest, InfinitiesAndNaNsStayWhatTheyAre) {
  const Bytes bytes({0x7C00, 0xFC00, 0x7E00}, 2, 0);
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    const auto values = row(Weight(bytes.tensor(DType::kF16, {1, 3}), 1, 3, precision), 0);
    EXPECT_EQ(values[0], std::numeric_limits<float>::infinity());
    EXPECT_EQ(values[1], -std::numeric_limits<float>::infinity());
    EXPECT_TRUE(std::isnan(values[2]));
  }
}

TEST(WeightTest, AMovedWeightKeepsItsConvertedCopy) {
  const Bytes bytes({kOne16}, 2, 0);
  Weight first(bytes.tensor(DType::kF16, {1, 1}), 1, 1, Precision::kF32);
  const Weight second = std::move(first);
  EXPECT_EQ(row(second, 0)[0], 1.0F);
}

}  // namespace
}  // namespace fovea::nn
