#pragma once

// The products of attention for sets with registers of 32 bytes and no instruction for bfloat16: it must be
// widened to float, which costs as many operations as a third of the products if it is done where they are.
// So rows of A are widened once, before they meet the columns; sums are those of WidenedBf16Dot, bit for bit.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/attention.h"
#include "kernels/generic/vector_ymm.h"

namespace fovea::kernels::generic {

/// A set's `Isa` of attention, with products of kWideRows rows at a time.
template <class Isa>
struct WidenedAttention : Isa {
  using Vector = typename Isa::Vector;
  static constexpr std::size_t kWideRows = 6;                     ///< 12 of 16 registers hold sums
  static constexpr std::size_t kMostSteps = kAttentionChunk / 2;  ///< of k: pairs of positions, or of a head

  /// What generic/attention.h asks of a set that has means of its own.
  template <class Store>
  static void bf16_product(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                           std::size_t steps, std::size_t rows, std::size_t columns, Store store) {
    std::size_t row = 0;
    alignas(64) float wide[kWideRows * 2 * kMostSteps];
    for (; steps <= kMostSteps && row + kWideRows <= rows; row += kWideRows) {
      for (std::size_t i = 0; i < kWideRows; ++i) widen(a + (row + i) * lda, steps, wide + i * 2 * steps);
      for (std::size_t column = 0; column < columns; column += kPackedColumns) {
        const auto* block = reinterpret_cast<const std::uint8_t*>(b) + column / kPackedColumns * block_stride;
        tile(wide, block, steps, row, column, store);
      }
    }
    const auto store_rest = [&](std::size_t i, std::size_t at, Vector sum) { store(row + i, at, sum); };
    if (row < rows) {
      bf16_panels<Isa>(a + row * lda, lda, b, block_stride, steps, rows - row, columns, store_rest);
    }
  }

 private:
  static void widen(const BFloat16* from, std::size_t steps, float* to) {
    std::size_t i = 0;
    for (; i + Vector::kLanes <= 2 * steps; i += Vector::kLanes) Vector::load_bf16(from + i).store(to + i);
    for (; i < 2 * steps; ++i) {
      const std::uint32_t bits = std::uint32_t{from[i].bits} << 16;
      std::memcpy(to + i, &bits, sizeof bits);
    }
  }

  template <class Store>
  [[gnu::always_inline]] static void tile(const float* a, const std::uint8_t* b, std::size_t steps,
                                          std::size_t row, std::size_t column, Store store) {
    Vector low[kWideRows], high[kWideRows];
#pragma unroll
    for (std::size_t i = 0; i < kWideRows; ++i) low[i] = high[i] = Vector::zero();
    for (std::size_t step = 0; step < steps; ++step, a += 2, b += kPackedStep) {
      const Vector even[2] = {Vector::load_even(b), Vector::load_even(b + kPackedStep / 2)};
#pragma unroll
      for (std::size_t i = 0; i < kWideRows; ++i) {
        const Vector value = Vector::set1(a[i * 2 * steps]);
        low[i] = Vector::fma(value, even[0], low[i]);
        high[i] = Vector::fma(value, even[1], high[i]);
      }
      const Vector odd[2] = {Vector::load_odd(b), Vector::load_odd(b + kPackedStep / 2)};
#pragma unroll
      for (std::size_t i = 0; i < kWideRows; ++i) {
        const Vector value = Vector::set1(a[i * 2 * steps + 1]);
        low[i] = Vector::fma(value, odd[0], low[i]);
        high[i] = Vector::fma(value, odd[1], high[i]);
      }
    }
#pragma unroll
    for (std::size_t i = 0; i < kWideRows; ++i) {
      store(row + i, column, low[i]);
      store(row + i, column + Vector::kLanes, high[i]);
    }
  }
};

}  // namespace fovea::kernels::generic
