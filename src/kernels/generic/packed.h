#pragma once

// Products with packed weights, written once on a `Dot`: how four bytes of a row of A meet the 64-byte steps
// of a packed block (kernels.h says how blocks are laid out). A Dot offers:
//   Sum, Columns, Row          registers: sums of kLanes outputs, their packed bytes, four broadcast bytes of
//   A kLanes, kBytes             outputs and bytes of one Columns zero, load, broadcast, accumulate kRowStep
//   bytes from one step of a row to the next, where they are not four

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace fovea::kernels::generic {

template <class Dot>
consteval std::size_t row_step() {
  if constexpr (requires { Dot::kRowStep; }) return Dot::kRowStep;
  return 4;
}

/// sum[i][v] += over `steps` steps of A's row i times the v-th vector of outputs. Blocks stand block_stride
/// bytes apart.
template <class Dot, std::size_t kRows, std::size_t kVectors>
[[gnu::always_inline]] inline void accumulate_packed(const std::uint8_t* a, std::size_t lda,
                                                     const std::uint8_t* b, std::size_t block_stride,
                                                     std::size_t steps,
                                                     typename Dot::Sum (&sum)[kRows][kVectors]) {
  constexpr std::size_t kPerBlock = kPackedColumns / Dot::kLanes;
  for (std::size_t step = 0; step < steps; ++step, a += row_step<Dot>(), b += kPackedStep) {
    typename Dot::Columns columns[kVectors];
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) {
      columns[v] = Dot::load(b + v / kPerBlock * block_stride + v % kPerBlock * Dot::kBytes);
    }
#pragma unroll
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto row = Dot::broadcast(a + i * lda);
#pragma unroll
      for (std::size_t v = 0; v < kVectors; ++v) sum[i][v] = Dot::accumulate(sum[i][v], row, columns[v]);
    }
  }
}

/// Pairs of bfloat16 widened to float, for sets without a bfloat16 product.
template <class Vector>
struct WidenedBf16Dot {
  using Sum = Vector;
  struct Columns {
    Vector even, odd;
  };
  static constexpr std::size_t kLanes = Vector::kLanes;
  static constexpr std::size_t kBytes = 4 * Vector::kLanes;

  static Columns load(const std::uint8_t* p) { return {Vector::load_even(p), Vector::load_odd(p)}; }
  static Columns broadcast(const std::uint8_t* p) {
    return {Vector::broadcast_even(p), Vector::broadcast_odd(p)};
  }
  static Sum accumulate(Sum sum, const Columns& row, const Columns& columns) {
    return Vector::fma(row.odd, columns.odd, Vector::fma(row.even, columns.even, sum));
  }
};

}  // namespace fovea::kernels::generic
