#include <bit>
#include <cmath>
#include <limits>

#include "kernels_fixture.h"

namespace fovea::kernels {
namespace {

class Rows : public KernelsTest {};

constexpr std::size_t kSizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 960, 1025};

TEST_P(Rows, LayerNormEqualsItsDefinition) {
  for (const std::size_t n : kSizes) {
    auto x = random(n, 3.0F);
    for (float& value : x) value += 5.0F;
    const auto weight = random(n);
    const auto bias = random(n);
    std::vector<float> out(n);
    GetParam()->layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, out.data(), n);
    double mean = 0;
    for (const float value : x) mean += value / static_cast<double>(n);
    double variance = 0;
    for (const float value : x) variance += (value - mean) * (value - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_NEAR(out[i], (x[i] - mean) / std::sqrt(variance + 1e-6) * weight[i] + bias[i], 2e-5)
          << "size " << n;
    }
  }
}

TEST_P(Rows, RmsNormEqualsItsDefinition) {
  for (const std::size_t n : kSizes) {
    const auto x = random(n, 3.0F);
    const auto weight = random(n);
    std::vector<float> out(n);
    GetParam()->rms_norm(x.data(), weight.data(), 1e-5F, out.data(), n);
    double square = 0;
    for (const float value : x) square += static_cast<double>(value) * value / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_NEAR(out[i], x[i] / std::sqrt(square + 1e-5) * weight[i], 1e-5);
  }
}

TEST_P(Rows, SoftmaxEqualsItsDefinitionAndSumsToOne) {
  for (const std::size_t n : kSizes) {
    const auto x = random(n, 20.0F);
    auto out = x;
    GetParam()->softmax(out.data(), 0.125F, n);
    double highest = -std::numeric_limits<double>::infinity();
    for (const float value : x) highest = std::max(highest, 0.125 * value);
    double total = 0;
    for (const float value : x) total += std::exp(0.125 * value - highest);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = std::exp(0.125 * x[i] - highest) / total;
      ASSERT_NEAR(out[i], exact, 2e-6 * exact + 1e-12);
      sum += out[i];
    }
    ASSERT_NEAR(sum, 1.0, 1e-5);
  }
}

TEST_P(Rows, SoftmaxOfHugeScoresStaysFinite) {
  std::vector<float> x{-1e30F, 1e30F, 0.0F, 1e30F};
  GetParam()->softmax(x.data(), 1.0F, x.size());
  EXPECT_EQ(x[1], 0.5F);
  EXPECT_EQ(x[3], 0.5F);
  EXPECT_LT(x[0], 1e-37F);
  EXPECT_LT(x[2], 1e-37F);
}

TEST_P(Rows, SoftmaxOfHugeScoresSharesBetweenTheHighestWhateverTheScale) {
  // Scales of which some make the product of score and scale round up, others down.
  for (const float scale : {0.1F, 0.117851130F, 0.3F, 0.7F, 3.0F}) {
    for (const float top : {1e9F, 3e12F, 7e20F, 1e30F}) {
      std::vector<float> x(19, -top);
      x[3] = x[18] = top;
      GetParam()->softmax(x.data(), scale, x.size());
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_NEAR(x[i], i == 3 || i == 18 ? 0.5F : 0.0F, 1e-6) << top << " times " << scale;
    }
  }
}

TEST_P(Rows, GeluEqualsItsDefinitionOverTheWholeRange) {
  std::vector<float> x;
  for (float value = -12.0F; value <= 12.0F; value += 0.037F) x.push_back(value);
  x.insert(x.end(), {-100.0F, 100.0F, -3e4F, 3e4F, 0.0F});
  auto out = x;
  GetParam()->gelu_tanh(out.data(), out.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double exact = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    ASSERT_NEAR(out[i], exact, 2e-6 * std::abs(v) + 1e-7) << v;
  }
}

TEST_P(Rows, SiluMultiplyEqualsItsDefinition) {
  for (const std::size_t n : kSizes) {
    const auto gate = random(n, 6.0F);
    const auto up = random(n);
    auto out = gate;
    GetParam()->silu_multiply(out.data(), up.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i];
      ASSERT_NEAR(out[i], exact, 2e-6 * std::abs(exact) + 1e-7);
    }
  }
}

TEST_P(Rows, AddAddsEveryElementAndNoOther) {
  for (const std::size_t n : kSizes) {
    const auto x = random(n + 1);
    const auto y = random(n);
    auto out = x;
    GetParam()->add(out.data(), y.data(), n);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], x[i] + y[i]);
    ASSERT_EQ(out[n], x[n]);
  }
}

TEST_P(Rows, ToBf16RoundsToNearestEvenForEveryKindOfNumber) {
  std::vector<float> x = random(1000, 100.0F);
  for (const std::uint32_t bits :
       {0x00000000U, 0x80000000U, 0x00000001U, 0x00400000U, 0x3F808000U, 0x3F818000U, 0x3F808001U,
        0x7F7FFFFFU, 0x7F800000U, 0xFF800000U, 0x7F800001U, 0x7FC00000U, 0xFFFFFFFFU}) {
    x.push_back(std::bit_cast<float>(bits));
  }
  std::vector<BFloat16> out(x.size());
  GetParam()->to_bf16(x.data(), out.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(out[i].bits, tensor::to_bfloat16(x[i]).bits) << std::bit_cast<std::uint32_t>(x[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(EverySet, Rows, testing::ValuesIn(supported_kernels()), isa_name);

}  // namespace
}  // namespace fovea::kernels
