#include "nn/linear.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/random_values.h"

// A layer against its definition in double precision, for every instruction set of this processor.

namespace fovea::nn {
namespace {

struct Sizes {
  std::size_t rows, out, in;
};

// Single rows and columns, around the widths of blocks, and more than one block of each.
constexpr Sizes kSizes[] = {{1, 1, 1},    {1, 17, 5},    {3, 16, 64},  {5, 33, 31},
                            {13, 96, 70}, {27, 49, 129}, {200, 7, 96}, {40, 300, 48}};

struct Stored {
  std::vector<float> f32;
  std::vector<tensor::BFloat16> bf16;

  Stored(const std::vector<float>& values, Precision precision) : f32(values) {
    for (float& value : f32) {
      bf16.push_back(tensor::to_bfloat16(value));
      if (precision == Precision::kBF16) value = tensor::to_float(bf16.back());
    }
  }
  [[nodiscard]] Weight weight(std::size_t rows, std::size_t columns, Precision precision) const {
    if (precision == Precision::kInt8 || precision == Precision::kInt4) {
      WorkerTeam team(1);
      const quantize::PackedShape shape{
          .format = precision == Precision::kInt8 ? quantize::Format::kInt8 : quantize::Format::kInt4,
          .rows = rows,
          .columns = columns};
      const auto read = [&](std::size_t row, float* out) {
        std::copy_n(f32.data() + row * columns, columns, out);
      };
      return Weight(quantize::PackedMatrix(shape, read, team));
    }
    const bool narrow = precision == Precision::kBF16;
    const tensor::StoredTensor stored{
        .dtype = narrow ? tensor::DType::kBF16 : tensor::DType::kF32,
        .shape = {rows, columns},
        .bytes = narrow ? std::as_bytes(std::span(bf16)) : std::as_bytes(std::span(f32))};
    return {stored, rows, columns, precision};
  }
};

/// How far a product of `in` normal values may be off: rounding of float sums, or of int8 and int4 operands
/// (half a step of each, which adds up like a random walk).
double tolerance_of(Precision precision, std::size_t in) {
  const double walk = std::sqrt(static_cast<double>(in));
  if (precision == Precision::kInt8) return 0.12 * walk;
  if (precision == Precision::kInt4) return 0.7 * walk;
  return 8e-6 * walk;
}

double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

class LinearTest : public testing::TestWithParam<Precision> {
 protected:
  static std::vector<float> run(const Linear& layer, const std::vector<float>& x, std::size_t rows,
                                Epilogue epilogue, std::vector<float> out, const kernels::Kernels& kernels,
                                std::size_t threads) {
    WorkerTeam team(threads);
    linear({kernels, team}, layer, x.data(), rows, out.data(), epilogue);
    return out;
  }
};

TEST_P(LinearTest, EqualsItsDefinitionWithEveryEpilogueAndOddSize) {
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    for (const Sizes& size : kSizes) {
      SCOPED_TRACE(fmt::format("{}: {} x {} x {}", kernels->isa, size.rows, size.out, size.in));
      const auto x = random_values(size.rows * size.in, 1);
      const Stored x_used(x, GetParam());  // a bf16 layer rounds what comes in
      const Stored w(random_values(size.out * size.in, 2), GetParam());
      const auto residual = random_values(size.rows * size.out, 3);
      const auto bias = random_values(size.out, 4);
      for (const bool with_bias : {false, true}) {
        const Linear layer{.weight = w.weight(size.out, size.in, GetParam()),
                           .bias = with_bias ? bias : std::vector<float>()};
        const auto store = run(layer, x, size.rows, Epilogue::kStore, residual, *kernels, 2);
        const auto gelu = run(layer, x, size.rows, Epilogue::kGeluTanh, residual, *kernels, 2);
        const auto add = run(layer, x, size.rows, Epilogue::kAdd, residual, *kernels, 2);
        const double tolerance = tolerance_of(GetParam(), size.in);
        for (std::size_t row = 0; row < size.rows; ++row) {
          for (std::size_t column = 0; column < size.out; ++column) {
            double sum = with_bias ? bias[column] : 0.0;
            for (std::size_t i = 0; i < size.in; ++i) {
              sum += static_cast<double>(x_used.f32[row * size.in + i]) *
                     static_cast<double>(w.f32[column * size.in + i]);
            }
            const std::size_t at = row * size.out + column;
            ASSERT_NEAR(store[at], sum, tolerance);
            ASSERT_NEAR(gelu[at], gelu_tanh(sum), tolerance);
            ASSERT_NEAR(add[at], sum + static_cast<double>(residual[at]), tolerance);
          }
        }
      }
    }
  }
}

TEST_P(LinearTest, TheNumberOfThreadsChangesNoBit) {
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    for (const Sizes& size : kSizes) {
      SCOPED_TRACE(fmt::format("{}: {} x {} x {}", kernels->isa, size.rows, size.out, size.in));
      const auto x = random_values(size.rows * size.in, 5);
      const Stored w(random_values(size.out * size.in, 6), GetParam());
      const Linear layer{.weight = w.weight(size.out, size.in, GetParam()),
                         .bias = random_values(size.out, 7)};
      const auto residual = random_values(size.rows * size.out, 8);
      for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kGeluTanh, Epilogue::kAdd}) {
        const auto one = run(layer, x, size.rows, epilogue, residual, *kernels, 1);
        EXPECT_EQ(run(layer, x, size.rows, epilogue, residual, *kernels, 2), one);
        EXPECT_EQ(run(layer, x, size.rows, epilogue, residual, *kernels, 3), one);
      }
    }
  }
}

TEST_P(LinearTest, ARowIsTheSameAloneAndAmongOthers) {
  constexpr Sizes kSize{29, 70, 53};
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    const auto x = random_values(kSize.rows * kSize.in, 9);
    const Stored w(random_values(kSize.out * kSize.in, 10), GetParam());
    const Linear layer{.weight = w.weight(kSize.out, kSize.in, GetParam()), .bias = {}};
    const auto together =
        run(layer, x, kSize.rows, Epilogue::kStore, std::vector<float>(kSize.rows * kSize.out), *kernels, 2);
    for (std::size_t row = 0; row < kSize.rows; ++row) {
      const auto in = x.begin() + static_cast<std::ptrdiff_t>(row * kSize.in);
      const auto out = together.begin() + static_cast<std::ptrdiff_t>(row * kSize.out);
      EXPECT_EQ(
          run(layer, {in, in + kSize.in}, 1, Epilogue::kStore, std::vector<float>(kSize.out), *kernels, 2),
          std::vector<float>(out, out + kSize.out))
          << kernels->isa << " row " << row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryPrecision, LinearTest,
                         testing::Values(Precision::kF32, Precision::kBF16, Precision::kInt8,
                                         Precision::kInt4),
                         [](const auto& info) { return precision_name(info.param); });

}  // namespace
}  // namespace fovea::nn
