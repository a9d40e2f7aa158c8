#pragma once

// Attention over packed bfloat16 keys and values, written once on a set's `Isa`: its Vector, kRows, kBlocks
// and Bf16Dot (packed.h; its Sum is a Vector).

#include <cstddef>
#include <cstdint>

#include "kernels/generic/packed.h"
#include "kernels/generic/rows.h"

namespace fovea::kernels::generic {

/// A [rows, lda] in bf16 times packed columns: `store(row, column, sum)` gets every vector of the product.
template <class Isa, std::size_t kRows, std::size_t kBlocks, class Store>
inline void bf16_tile(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                      std::size_t steps, std::size_t row, std::size_t column, Store store) {
  using Dot = typename Isa::Bf16Dot;
  constexpr std::size_t kVectors = kBlocks * kPackedColumns / Dot::kLanes;
  typename Dot::Sum sum[kRows][kVectors];
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) sum[i][v] = Dot::Sum::zero();
  }
  accumulate_packed<Dot>(reinterpret_cast<const std::uint8_t*>(a + row * lda), lda * sizeof *a,
                         reinterpret_cast<const std::uint8_t*>(b) + column / kPackedColumns * block_stride,
                         block_stride, steps, sum);
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) store(row + i, column + v * Dot::kLanes, sum[i][v]);
  }
}

template <class Isa, std::size_t kBlocks, class Store>
inline void bf16_panel(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                       std::size_t steps, std::size_t rows, std::size_t column, Store store) {
  std::size_t row = 0;
  for (; row + Isa::kRows <= rows; row += Isa::kRows) {
    bf16_tile<Isa, Isa::kRows, kBlocks>(a, lda, b, block_stride, steps, row, column, store);
  }
  for (; row + 3 <= rows; row += 3)
    bf16_tile<Isa, 3, kBlocks>(a, lda, b, block_stride, steps, row, column, store);
  for (; row < rows; ++row) bf16_tile<Isa, 1, kBlocks>(a, lda, b, block_stride, steps, row, column, store);
}

/// 2^t for t <= 0, within 1e-4 of itself: a tenth of what rounding the result to bfloat16 costs.
template <class Vector>
inline Vector power_of_two(Vector t) {
  t = Vector::max(t, Vector::set1(-126.0F));
  const Vector n = Vector::round(t);
  const Vector f = Vector::sub(t, n);
  // Minimax over |f| <= 1/2.
  Vector p = Vector::fma(Vector::set1(0.0551716648F), f, Vector::set1(0.2426111251F));
  p = Vector::fma(p, f, Vector::set1(0.6932609677F));
  p = Vector::fma(p, f, Vector::set1(0.9999280572F));
  return Vector::scale_by_power_of_two(p, n);
}

inline constexpr float kLog2E = 1.44269504F;

/// Weights of one row's chunk: exp(scale * (score - top)) of `seen` scores, as bfloat16, zeros up to
/// `filled`. Returns their sum.
template <class Vector>
inline float chunk_weights(const float* scores, std::size_t seen, std::size_t filled, float scale, float top,
                           BFloat16* weights) {
  const Vector factor = Vector::set1(scale * kLog2E);
  const Vector offset = Vector::set1(-top * scale * kLog2E);
  Vector total = Vector::zero();
  std::size_t i = 0;
  for (; i + Vector::kLanes <= seen; i += Vector::kLanes) {
    const Vector weight = power_of_two(Vector::fma(Vector::load(scores + i), factor, offset));
    total = Vector::add(total, weight);
    weight.store_bf16_normal(weights + i);
  }
  for (; i < filled; i += Vector::kLanes) {
    const std::size_t lanes = seen > i ? seen - i : 0;
    const Vector weight = Vector::first(
        power_of_two(Vector::fma(Vector::load_partial(scores + i, lanes), factor, offset)), lanes);
    total = Vector::add(total, weight);
    weight.store_bf16_normal(weights + i);
  }
  return total.reduce_add();
}

template <class Vector>
inline float highest_of(const float* x, std::size_t n) {
  Vector top = Vector::set1(x[0]);
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) top = Vector::max(top, Vector::load(x + i));
  float highest = top.reduce_max();
  for (; i < n; ++i) highest = x[i] > highest ? x[i] : highest;
  return highest;
}

/// x[0 ... n) = x * factor
template <class Vector>
inline void scale_row(float* x, std::size_t n, float factor) {
  map<Vector>(x, n,
              [factor](Vector v, std::size_t, std::size_t) { return Vector::mul(v, Vector::set1(factor)); });
}

template <class Isa>
inline void attention_bf16(const AttentionBf16& attention) {
  using Vector = typename Isa::Vector;
  constexpr std::size_t kChunk = kAttentionChunk;
  alignas(64) float scores[kAttentionRows * kChunk];
  alignas(64) BFloat16 weights[kAttentionRows * kChunk];
  float top[kAttentionRows];
  float total[kAttentionRows];
  float keep[kAttentionRows];  // what a row's earlier chunks are multiplied by when the maximum rises
  const std::size_t rows = attention.rows;
  const std::size_t head_dim = attention.head_dim;
  const std::size_t pairs = (head_dim + 1) / 2;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    longest = attention.visible[i] > longest ? attention.visible[i] : longest;
  }

  for (std::size_t chunk = 0; chunk < longest; chunk += kChunk) {
    const std::size_t positions = longest - chunk < kChunk ? longest - chunk : kChunk;
    const BFloat16* keys = attention.keys + chunk * 2 * pairs;
    for (std::size_t column = 0; column < positions;) {
      const auto store = [&](std::size_t row, std::size_t at, Vector sum) {
        sum.store(scores + row * kChunk + at);
      };
      if (column + Isa::kBlocks * kPackedColumns <= kChunk && column + kPackedColumns < positions) {
        bf16_panel<Isa, Isa::kBlocks>(attention.q, attention.ldq, keys, pairs * kPackedStep, pairs, rows,
                                      column, store);
        column += Isa::kBlocks * kPackedColumns;
      } else {
        bf16_panel<Isa, 1>(attention.q, attention.ldq, keys, pairs * kPackedStep, pairs, rows, column, store);
        column += kPackedColumns;
      }
    }

    const std::size_t filled = positions + positions % 2;
    for (std::size_t i = 0; i < rows; ++i) {
      const float* row = scores + i * kChunk;
      const std::size_t visible = attention.visible[i];
      const std::size_t seen =
          visible <= chunk ? 0 : (visible - chunk < positions ? visible - chunk : positions);
      float highest = chunk == 0 ? row[0] : top[i];
      if (seen != 0) {
        const float here = highest_of<Vector>(row, seen);
        highest = here > highest ? here : highest;
      }
      keep[i] = 1.0F;
      if (chunk == 0) {
        total[i] = 0.0F;
      } else if (highest > top[i]) {
        float change[Vector::kLanes];
        exponential(Vector::set1((top[i] - highest) * attention.scale)).store(change);
        keep[i] = change[0];
      }
      top[i] = highest;
      total[i] = total[i] * keep[i] +
                 chunk_weights<Vector>(row, seen, filled, attention.scale, highest, weights + i * kChunk);
    }

    const BFloat16* values = attention.values + chunk * kPackedColumns;
    const auto store = [&](std::size_t row, std::size_t at, Vector sum) {
      if (at >= head_dim) return;
      float* out = attention.out + row * attention.out_stride + at;
      const std::size_t lanes = head_dim - at < Vector::kLanes ? head_dim - at : Vector::kLanes;
      if (chunk != 0) sum = Vector::fma(Vector::load_partial(out, lanes), Vector::set1(keep[row]), sum);
      sum.store_partial(out, lanes);
    };
    const std::size_t stride = attention.value_pairs * kPackedStep;
    for (std::size_t column = 0; column < head_dim;) {
      if (column + kPackedColumns < head_dim) {
        bf16_panel<Isa, Isa::kBlocks>(weights, kChunk, values, stride, filled / 2, rows, column, store);
        column += Isa::kBlocks * kPackedColumns;
      } else {
        bf16_panel<Isa, 1>(weights, kChunk, values, stride, filled / 2, rows, column, store);
        column += kPackedColumns;
      }
    }
  }
  for (std::size_t i = 0; i < rows; ++i) {
    scale_row<Vector>(attention.out + i * attention.out_stride, head_dim, 1.0F / total[i]);
  }
}

}  // namespace fovea::kernels::generic
