#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels_fixture.h"

namespace fovea::kernels {
namespace {

using testing::FloatNear;
using testing::Pointwise;

/// Integer weights [n, k] in both packed forms. int4 weights are (value - 8) * multiplier.
struct PackedWeights {
  std::size_t n, k;
  std::vector<int> integers;  // [n, k]
  std::vector<std::uint8_t> values, multipliers;
  std::vector<std::int32_t> sums;

  [[nodiscard]] std::size_t blocks() const { return (n + 15) / 16; }
};

PackedWeights pack_int8(std::size_t n, std::size_t k, std::vector<int> integers) {
  PackedWeights packed{
      .n = n, .k = k, .integers = std::move(integers), .values = {}, .multipliers = {}, .sums = {}};
  packed.values.resize(packed.blocks() * 16 * k);
  packed.sums.resize(packed.blocks() * 16);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t p = 0; p < k; ++p) {
      const int value = packed.integers[j * k + p];
      packed.values[(j / 16 * (k / 4) + p / 4) * 64 + 4 * (j % 16) + p % 4] =
          static_cast<std::uint8_t>(value);
      packed.sums[j] += value;
    }
  }
  return packed;
}

PackedWeights pack_int4(std::size_t n, std::size_t k, const std::vector<int>& nibbles,
                        const std::vector<int>& multipliers) {
  PackedWeights packed{.n = n, .k = k, .integers = {}, .values = {}, .multipliers = {}, .sums = {}};
  packed.values.resize(packed.blocks() * 8 * k);
  packed.multipliers.resize(packed.blocks() * k / 2, 1);
  packed.sums.resize(packed.blocks() * 16);
  packed.integers.resize(n * k);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t p = 0; p < k; ++p) {
      const int multiplier = multipliers[j * (k / 32) + p / 32];
      packed.multipliers[(j / 16 * (k / 32) + p / 32) * 16 + j % 16] = static_cast<std::uint8_t>(multiplier);
      const int nibble = nibbles[j * k + p];
      packed.integers[j * k + p] = (nibble - 8) * multiplier;
      packed.sums[j] += (nibble - 8) * multiplier;
      packed.values[(j / 16 * (k / 8) + p / 8) * 64 + 4 * (j % 16) + p % 4] |=
          static_cast<std::uint8_t>(p % 8 < 4 ? nibble : nibble << 4);
    }
  }
  return packed;
}

class QuantizedTest : public KernelsTest {
 protected:
  std::vector<int> integers(std::size_t count, int low, int high) {
    std::uniform_int_distribution<int> draw(low, high);
    std::vector<int> values(count);
    for (int& value : values) value = draw(generator_);
    return values;
  }

  /// Rows whose quantised values are exactly `integers`: each row holds a value of magnitude 127.
  std::vector<std::uint8_t> quantize(const std::vector<int>& rows, std::size_t m, std::size_t k) {
    std::vector<std::uint8_t> bytes(m * k);
    for (std::size_t i = 0; i < m; ++i) {
      const std::vector<float> row(rows.begin() + static_cast<std::ptrdiff_t>(i * k),
                                   rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * k));
      EXPECT_FLOAT_EQ(GetParam()->quantize_row(row.data(), k, k, bytes.data() + i * k), 1.0F);
    }
    return bytes;
  }

  /// The product with scales of one, where floats hold the sums exactly.
  std::vector<float> multiply(const std::vector<std::uint8_t>& a, std::size_t m, const PackedWeights& b) {
    const std::vector<float> ones(std::max(m, b.blocks() * 16), 1.0F);
    std::vector<float> c(m * b.n, NAN);
    std::vector<std::uint8_t> scratch(kScratchBlocks * 16 * b.k);
    const MatmulQuantized product{.a = a.data(),
                                  .lda = b.k,
                                  .a_scales = ones.data(),
                                  .b = b.values.data(),
                                  .b_multipliers = b.multipliers.data(),
                                  .b_sums = b.sums.data(),
                                  .b_scales = ones.data(),
                                  .bias = nullptr,
                                  .scratch = scratch.data(),
                                  .c = c.data(),
                                  .ldc = b.n,
                                  .m = m,
                                  .n = b.n,
                                  .k = b.k,
                                  .epilogue = Epilogue::kStore};
    b.multipliers.empty() ? GetParam()->matmul_int8(product) : GetParam()->matmul_int4(product);
    return c;
  }

  static std::vector<float> exact(const std::vector<int>& a, std::size_t m, const PackedWeights& b) {
    std::vector<float> c(m * b.n);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < b.n; ++j) {
        std::int64_t sum = 0;
        for (std::size_t p = 0; p < b.k; ++p) sum += std::int64_t{a[i * b.k + p]} * b.integers[j * b.k + p];
        c[i * b.n + j] = static_cast<float>(sum);
      }
    }
    return c;
  }

  std::vector<int> activations(std::size_t m, std::size_t k) {
    std::vector<int> values = integers(m * k, -127, 127);
    for (std::size_t i = 0; i < m; ++i) values[i * k + i % k] = i % 2 == 0 ? 127 : -127;
    return values;
  }
};

constexpr std::size_t kRows[] = {1, 2, 3, 4, 5, 11, 12, 13, 17, 29, 33};
constexpr std::size_t kColumns[] = {1, 3, 15, 16, 17, 31, 33, 63, 65, 130};
constexpr std::size_t kDepths[] = {64, 128, 192, 960};

TEST_P(QuantizedTest, Int8ProductsAreExactAtEveryRemainder) {
  for (const std::size_t k : kDepths) {
    for (const std::size_t n : kColumns) {
      const PackedWeights b = pack_int8(n, k, integers(n * k, -127, 127));
      for (const std::size_t m : kRows) {
        const std::vector<int> a = activations(m, k);
        ASSERT_EQ(multiply(quantize(a, m, k), m, b), exact(a, m, b)) << m << " x " << n << " x " << k;
      }
    }
  }
}

TEST_P(QuantizedTest, Int4ProductsAreExactAtEveryRemainder) {
  for (const std::size_t k : kDepths) {
    for (const std::size_t n : kColumns) {
      const PackedWeights b = pack_int4(n, k, integers(n * k, 0, 15), integers(n * k / 32, 1, 15));
      for (const std::size_t m : kRows) {
        const std::vector<int> a = activations(m, k);
        ASSERT_EQ(multiply(quantize(a, m, k), m, b), exact(a, m, b)) << m << " x " << n << " x " << k;
      }
    }
  }
}

// Sets with tiles cut long sums and many rows into parts of their own.
TEST_P(QuantizedTest, LongSumsOfManyRowsAreExact) {
  for (const std::size_t k : {1088, 1600}) {
    for (const std::size_t n : {16, 33}) {
      const PackedWeights int8 = pack_int8(n, k, integers(n * k, -127, 127));
      const PackedWeights int4 = pack_int4(n, k, integers(n * k, 0, 15), integers(n * k / 32, 1, 15));
      for (const std::size_t m : {48, 112, 270}) {
        const std::vector<int> a = activations(m, k);
        const std::vector<std::uint8_t> bytes = quantize(a, m, k);
        ASSERT_EQ(multiply(bytes, m, int8), exact(a, m, int8)) << m << " x " << n << " x " << k;
        ASSERT_EQ(multiply(bytes, m, int4), exact(a, m, int4)) << m << " x " << n << " x " << k;
      }
    }
  }
}

TEST_P(QuantizedTest, PiecesEqualTheWholeToTheBit) {
  constexpr std::size_t kM = 83, kN = 80, kK = 192;
  const PackedWeights b = pack_int8(kN, kK, integers(kN * kK, -127, 127));
  const std::vector<std::uint8_t> bytes = quantize(activations(kM, kK), kM, kK);
  const std::vector<float> a_scales = random(kM, 1e-2F), b_scales = random(kN, 1e-2F), bias = random(kN),
                           before = random(kM * kN);
  for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kGeluTanh, Epilogue::kAdd}) {
    const auto multiply_pieces = [&](std::size_t rows, std::size_t columns) {
      std::vector<float> c = before;
      for (std::size_t row = 0; row < kM; row += rows) {
        for (std::size_t column = 0; column < kN; column += columns) {
          GetParam()->matmul_int8({.a = bytes.data() + row * kK,
                                   .lda = kK,
                                   .a_scales = a_scales.data() + row,
                                   .b = b.values.data() + column * kK,
                                   .b_multipliers = nullptr,
                                   .b_sums = b.sums.data() + column,
                                   .b_scales = b_scales.data() + column,
                                   .bias = bias.data() + column,
                                   .scratch = nullptr,
                                   .c = c.data() + row * kN + column,
                                   .ldc = kN,
                                   .m = std::min(rows, kM - row),
                                   .n = std::min(columns, kN - column),
                                   .k = kK,
                                   .epilogue = epilogue});
        }
      }
      return c;
    };
    const std::vector<float> whole = multiply_pieces(kM, kN);
    for (const std::size_t rows : {1, 16, 21, 40}) {
      for (const std::size_t columns : {16, 48, 80}) {
        const std::vector<float> pieces = multiply_pieces(rows, columns);
        EXPECT_EQ(std::memcmp(pieces.data(), whole.data(), whole.size() * sizeof(float)), 0)
            << rows << " rows, " << columns << " columns";
      }
    }
  }
}

TEST_P(QuantizedTest, SumsAtTheEndsOfTheRangeDoNotSaturate) {
  constexpr std::size_t kDepth = 512;
  for (const int sign : {-1, 1}) {
    const PackedWeights int8 = pack_int8(33, kDepth, std::vector<int>(33 * kDepth, 127 * sign));
    const PackedWeights int4 = pack_int4(33, kDepth, std::vector<int>(33 * kDepth, sign < 0 ? 0 : 15),
                                         std::vector<int>(33 * kDepth / 32, 15));
    for (const std::size_t m : {1, 13}) {
      for (const int value : {-127, 127}) {
        const std::vector<int> a(m * kDepth, value);
        EXPECT_EQ(multiply(quantize(a, m, kDepth), m, int8), exact(a, m, int8));
        EXPECT_EQ(multiply(quantize(a, m, kDepth), m, int4), exact(a, m, int4));
      }
    }
  }
}

TEST_P(QuantizedTest, EpiloguesScaleAddTheBiasAndDoWhatTheyAreNamedFor) {
  constexpr std::size_t kM = 5, kN = 37, kK = 64;
  const PackedWeights b = pack_int8(kN, kK, integers(kN * kK, -127, 127));
  const std::vector<int> a = activations(kM, kK);
  const std::vector<std::uint8_t> bytes = quantize(a, kM, kK);
  const std::vector<float> sums = exact(a, kM, b);
  std::vector<float> a_scales = random(kM, 1e-2F), b_scales = random(b.blocks() * 16, 1e-2F),
                     bias = random(kN);
  const std::vector<float> before = random(kM * kN);
  for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kGeluTanh, Epilogue::kAdd}) {
    std::vector<float> c = before;
    GetParam()->matmul_int8({.a = bytes.data(),
                             .lda = kK,
                             .a_scales = a_scales.data(),
                             .b = b.values.data(),
                             .b_multipliers = nullptr,
                             .b_sums = b.sums.data(),
                             .b_scales = b_scales.data(),
                             .bias = bias.data(),
                             .scratch = nullptr,
                             .c = c.data(),
                             .ldc = kN,
                             .m = kM,
                             .n = kN,
                             .k = kK,
                             .epilogue = epilogue});
    for (std::size_t i = 0; i < kM; ++i) {
      for (std::size_t j = 0; j < kN; ++j) {
        const double x = double{sums[i * kN + j]} * a_scales[i] * b_scales[j] + bias[j];
        const double gelu = 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        const double wanted = epilogue == Epilogue::kStore      ? x
                              : epilogue == Epilogue::kGeluTanh ? gelu
                                                                : before[i * kN + j] + x;
        ASSERT_NEAR(c[i * kN + j], wanted, 2e-5 * (1 + std::abs(x)));
      }
    }
  }
}

TEST_P(QuantizedTest, QuantizedRowsAreWithinHalfAStepWhateverTheLength) {
  // One output that picks a single input shows the stored integers.
  for (const std::size_t n : {1, 3, 17, 63, 64, 65, 100}) {
    const std::size_t padded = (n + 63) / 64 * 64;
    const std::vector<float> x = random(n, 3.0F);
    std::vector<std::uint8_t> bytes(padded);
    const float scale = GetParam()->quantize_row(x.data(), n, padded, bytes.data());
    for (std::size_t p = 0; p < padded; ++p) {
      std::vector<int> one(padded, 0);
      one[p] = 1;
      const float integer = multiply(bytes, 1, pack_int8(1, padded, one))[0];
      EXPECT_NEAR(integer * scale, p < n ? x[p] : 0.0F, 0.5001F * scale);
    }
  }
}

TEST_P(QuantizedTest, SignedRowsAreTheSameBytesInEverySet) {
  for (const std::size_t n : {1, 5, 10, 16, 24, 33, 64, 80, 96}) {
    const std::size_t padded = (n + 15) / 16 * 16;
    const std::vector<float> x = random(n, 3.0F);
    std::vector<std::int8_t> bytes(padded, 1), portable(padded, 1);
    const float scale = GetParam()->quantize_row_signed(x.data(), n, padded, bytes.data());
    EXPECT_EQ(supported_kernels().front()->quantize_row_signed(x.data(), n, padded, portable.data()), scale);
    EXPECT_EQ(bytes, portable);
    for (std::size_t i = 0; i < padded; ++i) {
      ASSERT_NEAR(scale * static_cast<float>(bytes[i]), i < n ? x[i] : 0.0F, 0.5001F * scale);
    }
  }
}

TEST_P(QuantizedTest, RowsOfZerosAndOfHugeValuesKeepTheirMeaning) {
  std::vector<std::uint8_t> bytes(64);
  const PackedWeights ones = pack_int8(1, 64, std::vector<int>(64, 1));
  const std::vector<float> zeros(64, 0.0F);
  EXPECT_EQ(GetParam()->quantize_row(zeros.data(), 64, 64, bytes.data()), 0.0F);
  EXPECT_EQ(multiply(bytes, 1, ones)[0], 0.0F);
  const std::vector<float> huge(64, INFINITY);
  EXPECT_TRUE(std::isinf(GetParam()->quantize_row(huge.data(), 64, 64, bytes.data())));
}

TEST_P(QuantizedTest, HadamardEqualsItsDefinition) {
  for (const std::size_t block : {1, 2, 4, 8, 16, 32, 64}) {
    const std::size_t n = 3 * block;
    const std::vector<float> x = random(n);
    std::vector<float> y = x;
    GetParam()->hadamard(y.data(), n, block);
    for (std::size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < block; ++j) {
        const bool odd = __builtin_popcountll(i % block & j) % 2 != 0;
        sum += (odd ? -1 : 1) * x[i / block * block + j];
      }
      ASSERT_NEAR(y[i], sum, 1e-5 * static_cast<double>(block)) << block;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, QuantizedTest, testing::ValuesIn(supported_kernels()), isa_name);

}  // namespace
}  // namespace fovea::kernels
