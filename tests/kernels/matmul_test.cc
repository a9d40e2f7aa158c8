#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "kernels_fixture.h"

namespace fovea::kernels {
namespace {

struct Shape {
  std::size_t m, n, k;
};

// Every remainder of rows, columns and depth that the tiles can meet.
std::vector<Shape> odd_shapes() {
  std::vector<Shape> shapes;
  for (const std::size_t m : {1, 2, 5, 6, 7, 13}) {
    for (const std::size_t n : {1, 3, 4, 5, 8, 15, 17, 33, 65}) {
      for (const std::size_t k : {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 65, 100}) shapes.push_back({m, n, k});
    }
  }
  // Tile registers: whole and broken blocks of 32 rows and outputs, and k in more than one part.
  for (const Shape s :
       {Shape{16, 32, 64}, {17, 33, 33}, {32, 64, 96}, {33, 47, 130}, {48, 31, 65}, {70, 96, 31}}) {
    shapes.push_back(s);
  }
  for (const Shape s : {Shape{25, 130, 1100}, {1, 70, 4096}, {3, 40, 8200}, {35, 33, 4129}})
    shapes.push_back(s);
  return shapes;
}

class Matmul : public KernelsTest {
 protected:
  std::vector<float> nt_f32(const std::vector<float>& a, const std::vector<float>& b, Shape s) {
    std::vector<float> c(s.m * s.n, NAN);
    GetParam()->matmul_nt_f32({.a = a.data(),
                               .lda = s.k,
                               .b = b.data(),
                               .ldb = s.k,
                               .c = c.data(),
                               .ldc = s.n,
                               .m = s.m,
                               .n = s.n,
                               .k = s.k});
    return c;
  }
  std::vector<float> nt_bf16(const std::vector<BFloat16>& a, const std::vector<BFloat16>& b, Shape s) {
    std::vector<float> c(s.m * s.n, NAN);
    GetParam()->matmul_nt_bf16({.a = a.data(),
                                .lda = s.k,
                                .b = b.data(),
                                .ldb = s.k,
                                .c = c.data(),
                                .ldc = s.n,
                                .m = s.m,
                                .n = s.n,
                                .k = s.k});
    return c;
  }
  std::vector<float> nn(const std::vector<float>& a, const std::vector<float>& b, Shape s) {
    std::vector<float> c(s.m * s.n, NAN);
    GetParam()->matmul_nn({.a = a.data(),
                           .lda = s.k,
                           .b = b.data(),
                           .ldb = s.n,
                           .c = c.data(),
                           .ldc = s.n,
                           .m = s.m,
                           .n = s.n,
                           .k = s.k});
    return c;
  }
};

/// Expects c to be the product in double precision, within the rounding of a float sum of k terms.
template <class A, class B>
void expect_product(const std::vector<float>& c, Shape s, A a, B b) {
  for (std::size_t i = 0; i < s.m; ++i) {
    for (std::size_t j = 0; j < s.n; ++j) {
      double exact = 0;
      double magnitude = 0;
      for (std::size_t p = 0; p < s.k; ++p) {
        exact += a(i, p) * b(p, j);
        magnitude += std::abs(a(i, p) * b(p, j));
      }
      ASSERT_NEAR(c[i * s.n + j], exact, 1e-6 * magnitude + 1e-7)
          << "row " << i << " column " << j << " of " << s.m << "x" << s.n << "x" << s.k;
    }
  }
}

TEST_P(Matmul, NtF32EqualsTheProductForOddShapes) {
  for (const Shape s : odd_shapes()) {
    const auto a = random(s.m * s.k);
    const auto b = random(s.n * s.k);
    expect_product(
        nt_f32(a, b, s), s, [&](auto i, auto p) { return static_cast<double>(a[i * s.k + p]); },
        [&](auto p, auto j) { return static_cast<double>(b[j * s.k + p]); });
  }
}

TEST_P(Matmul, NtBf16EqualsTheProductOfTheRoundedValues) {
  for (const Shape s : odd_shapes()) {
    const auto a = rounded(random(s.m * s.k));
    const auto b = rounded(random(s.n * s.k));
    expect_product(
        nt_bf16(a, b, s), s, [&](auto i, auto p) { return static_cast<double>(to_float(a[i * s.k + p])); },
        [&](auto p, auto j) { return static_cast<double>(to_float(b[j * s.k + p])); });
  }
}

TEST_P(Matmul, NnEqualsTheProductForOddShapes) {
  for (const Shape s : odd_shapes()) {
    const auto a = random(s.m * s.k);
    const auto b = random(s.k * s.n);
    expect_product(
        nn(a, b, s), s, [&](auto i, auto p) { return static_cast<double>(a[i * s.k + p]); },
        [&](auto p, auto j) { return static_cast<double>(b[p * s.n + j]); });
  }
}

// Batching and cutting never change an answer: a product computed piece by piece is the same to the bit.
TEST_P(Matmul, PiecesEqualTheWholeToTheBit) {
  for (int round = 0; round < 40; ++round) {
    const Shape s{random_size(1, 40), random_size(1, 90), random_size(1, 200)};
    const auto a = random(s.m * s.k);
    const auto b = random(std::max(s.n * s.k, s.k * s.n));
    const auto a16 = rounded(a);
    const auto b16 = rounded(b);
    const auto whole_f32 = nt_f32(a, b, s);
    const auto whole_bf16 = nt_bf16(a16, b16, s);
    const auto whole_nn = nn(a, b, s);

    std::vector<float> f32(s.m * s.n), bf16(s.m * s.n), by_nn(s.m * s.n);
    for (std::size_t row = 0; row < s.m;) {
      const std::size_t m = std::min(random_size(1, 9), s.m - row);
      for (std::size_t column = 0; column < s.n;) {
        const std::size_t n = std::min(random_size(1, 20), s.n - column);
        const std::size_t at = row * s.n + column;
        GetParam()->matmul_nt_f32({.a = a.data() + row * s.k,
                                   .lda = s.k,
                                   .b = b.data() + column * s.k,
                                   .ldb = s.k,
                                   .c = f32.data() + at,
                                   .ldc = s.n,
                                   .m = m,
                                   .n = n,
                                   .k = s.k});
        GetParam()->matmul_nt_bf16({.a = a16.data() + row * s.k,
                                    .lda = s.k,
                                    .b = b16.data() + column * s.k,
                                    .ldb = s.k,
                                    .c = bf16.data() + at,
                                    .ldc = s.n,
                                    .m = m,
                                    .n = n,
                                    .k = s.k});
        GetParam()->matmul_nn({.a = a.data() + row * s.k,
                               .lda = s.k,
                               .b = b.data() + column,
                               .ldb = s.n,
                               .c = by_nn.data() + at,
                               .ldc = s.n,
                               .m = m,
                               .n = n,
                               .k = s.k});
        column += n;
      }
      row += m;
    }
    ASSERT_EQ(f32, whole_f32);
    ASSERT_EQ(bf16, whole_bf16);
    ASSERT_EQ(by_nn, whole_nn);
  }
}

TEST_P(Matmul, WritesNothingOutsideTheProduct) {
  const Shape s{7, 11, 19};
  const auto a = random(s.m * s.k);
  const auto b = random(s.n * s.k);
  constexpr std::size_t kLdc = 16;
  std::vector<float> c(s.m * kLdc, 7.0F);
  GetParam()->matmul_nt_f32({.a = a.data(),
                             .lda = s.k,
                             .b = b.data(),
                             .ldb = s.k,
                             .c = c.data(),
                             .ldc = kLdc,
                             .m = s.m,
                             .n = s.n,
                             .k = s.k});
  for (std::size_t i = 0; i < s.m; ++i) {
    for (std::size_t j = s.n; j < kLdc; ++j) EXPECT_EQ(c[i * kLdc + j], 7.0F);
  }
}

INSTANTIATE_TEST_SUITE_P(EverySet, Matmul, testing::ValuesIn(supported_kernels()), isa_name);

}  // namespace
}  // namespace fovea::kernels
