#pragma once

// Matrix products written once on a vector type. `Vector` is the float vector of an instruction set (see
// portable/vector.h for what it offers); `Operand` says how elements of A and B are loaded and multiplied.

#include <cstddef>

#include "kernels/kernels.h"

namespace fovea::kernels::generic {

/// float times float. Reads Vector::kLanes elements a step.
template <class Vector>
struct F32Operand {
  using Element = float;
  using Register = Vector;
  static constexpr std::size_t kStep = Vector::kLanes;
  static Register load(const Element* p) { return Vector::load(p); }
  static Register load_partial(const Element* p, std::size_t n) { return Vector::load_partial(p, n); }
  static Vector accumulate(Vector sum, Register a, Register b) { return Vector::fma(a, b, sum); }
};

/// bfloat16 widened to float, for instruction sets without bfloat16 products.
template <class Vector>
struct WidenedBf16Operand {
  using Element = BFloat16;
  using Register = Vector;
  static constexpr std::size_t kStep = Vector::kLanes;
  static Register load(const Element* p) { return Vector::load_bf16(p); }
  static Register load_partial(const Element* p, std::size_t n) { return Vector::load_bf16_partial(p, n); }
  static Vector accumulate(Vector sum, Register a, Register b) { return Vector::fma(a, b, sum); }
};

// One vector of partial sums for every element of C: lane l sums k = l, l + step, …; reduce4 then adds the
// lanes in a fixed tree. The tile's shape only decides which elements are computed side by side.
template <class Vector, class Operand, std::size_t kRows, std::size_t kQuads>
inline void dot_tile(const typename Operand::Element* a, std::size_t lda,
                     const typename Operand::Element* const (&b)[4 * kQuads], std::size_t k, float* c,
                     std::size_t ldc, std::size_t columns) {
  constexpr std::size_t kColumns = 4 * kQuads;
  Vector sum[kRows][kColumns];
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t j = 0; j < kColumns; ++j) sum[i][j] = Vector::zero();
  }
  std::size_t p = 0;
  for (; p + Operand::kStep <= k; p += Operand::kStep) {
    typename Operand::Register column[kColumns];
#pragma unroll
    for (std::size_t j = 0; j < kColumns; ++j) column[j] = Operand::load(b[j] + p);
#pragma unroll
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto row = Operand::load(a + i * lda + p);
#pragma unroll
      for (std::size_t j = 0; j < kColumns; ++j) sum[i][j] = Operand::accumulate(sum[i][j], row, column[j]);
    }
  }
  if (p < k) {
#pragma unroll
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto row = Operand::load_partial(a + i * lda + p, k - p);
#pragma unroll
      for (std::size_t j = 0; j < kColumns; ++j) {
        sum[i][j] = Operand::accumulate(sum[i][j], row, Operand::load_partial(b[j] + p, k - p));
      }
    }
  }
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t quad = 0; quad < kQuads; ++quad) {
      float four[4];
      Vector::reduce4(sum[i][4 * quad], sum[i][4 * quad + 1], sum[i][4 * quad + 2], sum[i][4 * quad + 3],
                      four);
      for (std::size_t j = 0; j < 4 && 4 * quad + j < columns; ++j) c[i * ldc + 4 * quad + j] = four[j];
    }
  }
}

/// `columns` (at most 4 * kQuads) columns of C for all rows. Columns past the last read its weights again and
/// are not stored, so that the arithmetic is the same for every width.
template <class Vector, class Operand, std::size_t kRows, std::size_t kQuads>
inline void dot_panel(const MatmulNT<typename Operand::Element>& product, std::size_t column,
                      std::size_t columns) {
  using Element = typename Operand::Element;
  const Element* b[4 * kQuads];
  for (std::size_t j = 0; j < 4 * kQuads; ++j) {
    b[j] = product.b + (column + (j < columns ? j : columns - 1)) * product.ldb;
  }
  std::size_t i = 0;
  for (; i + kRows <= product.m; i += kRows) {
    dot_tile<Vector, Operand, kRows, kQuads>(product.a + i * product.lda, product.lda, b, product.k,
                                             product.c + i * product.ldc + column, product.ldc, columns);
  }
  for (; i < product.m; ++i) {
    dot_tile<Vector, Operand, 1, kQuads>(product.a + i * product.lda, product.lda, b, product.k,
                                         product.c + i * product.ldc + column, product.ldc, columns);
  }
}

/// kRows x 4 accumulators for blocks of rows; with few rows, eight columns at a time keep more streams of
/// weights in flight.
template <class Vector, class Operand, std::size_t kRows>
inline void matmul_nt(const MatmulNT<typename Operand::Element>& product) {
  if (product.m < kRows) {
    for (std::size_t j = 0; j < product.n; j += 8) {
      dot_panel<Vector, Operand, 1, 2>(product, j, product.n - j < 8 ? product.n - j : 8);
    }
    return;
  }
  for (std::size_t j = 0; j < product.n; j += 4) {
    dot_panel<Vector, Operand, kRows, 1>(product, j, product.n - j < 4 ? product.n - j : 4);
  }
}

// Lanes run along n and k is summed in order, so no lanes have to be added at the end.
template <class Vector, std::size_t kRows, std::size_t kVectors>
inline void broadcast_tile(const MatmulNN& product, std::size_t row, std::size_t column,
                           std::size_t last_lanes) {
  const float* a = product.a + row * product.lda;
  const float* b = product.b + column;
  Vector sum[kRows][kVectors];
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) sum[i][v] = Vector::zero();
  }
  for (std::size_t p = 0; p < product.k; ++p, b += product.ldb) {
    Vector values[kVectors];
#pragma unroll
    for (std::size_t v = 0; v + 1 < kVectors; ++v) values[v] = Vector::load(b + v * Vector::kLanes);
    values[kVectors - 1] = last_lanes == Vector::kLanes
                               ? Vector::load(b + (kVectors - 1) * Vector::kLanes)
                               : Vector::load_partial(b + (kVectors - 1) * Vector::kLanes, last_lanes);
#pragma unroll
    for (std::size_t i = 0; i < kRows; ++i) {
      const Vector factor = Vector::set1(a[i * product.lda + p]);
#pragma unroll
      for (std::size_t v = 0; v < kVectors; ++v) sum[i][v] = Vector::fma(factor, values[v], sum[i][v]);
    }
  }
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
    float* c = product.c + (row + i) * product.ldc + column;
#pragma unroll
    for (std::size_t v = 0; v + 1 < kVectors; ++v) sum[i][v].store(c + v * Vector::kLanes);
    sum[i][kVectors - 1].store_partial(c + (kVectors - 1) * Vector::kLanes, last_lanes);
  }
}

template <class Vector, std::size_t kRows, std::size_t kVectors>
inline void broadcast_panel(const MatmulNN& product, std::size_t column, std::size_t last_lanes) {
  std::size_t i = 0;
  for (; i + kRows <= product.m; i += kRows)
    broadcast_tile<Vector, kRows, kVectors>(product, i, column, last_lanes);
  for (; i < product.m; ++i) broadcast_tile<Vector, 1, kVectors>(product, i, column, last_lanes);
}

template <class Vector, std::size_t kRows, std::size_t kVectors>
inline void matmul_nn(const MatmulNN& product) {
  constexpr std::size_t kLanes = Vector::kLanes;
  std::size_t j = 0;
  for (; j + kVectors * kLanes <= product.n; j += kVectors * kLanes) {
    broadcast_panel<Vector, kRows, kVectors>(product, j, kLanes);
  }
  // Half-wide panels: heads of 32 are one, and would leave most sums idle as single vectors.
  for (; j + kVectors / 2 * kLanes <= product.n; j += kVectors / 2 * kLanes) {
    broadcast_panel<Vector, kRows, kVectors / 2>(product, j, kLanes);
  }
  for (; j < product.n; j += kLanes) {
    broadcast_panel<Vector, kRows, 1>(product, j, product.n - j < kLanes ? product.n - j : kLanes);
  }
}

}  // namespace fovea::kernels::generic
