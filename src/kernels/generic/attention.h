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
inline void bf16_few_rows(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                          std::size_t steps, std::size_t rows, std::size_t column, Store store) {
  if (rows == 3) {
    bf16_tile<Isa, 3, kBlocks>(a, lda, b, block_stride, steps, 0, column, store);
    return;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    bf16_tile<Isa, 1, kBlocks>(a, lda, b, block_stride, steps, row, column, store);
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

/// All `columns` of the product: whole panels first. Few rows keep their sums busy with wider panels.
template <class Isa, class Store>
inline void bf16_panels(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                        std::size_t steps, std::size_t rows, std::size_t columns, Store store) {
  constexpr std::size_t kWide = Isa::kFewRowBlocks;
  std::size_t column = 0;
  if (rows <= 3) {
    for (; column + (kWide - 1) * kPackedColumns < columns; column += kWide * kPackedColumns) {
      bf16_few_rows<Isa, kWide>(a, lda, b, block_stride, steps, rows, column, store);
    }
  }
  for (; column + (Isa::kBlocks - 1) * kPackedColumns < columns; column += Isa::kBlocks * kPackedColumns) {
    bf16_panel<Isa, Isa::kBlocks>(a, lda, b, block_stride, steps, rows, column, store);
  }
  for (; column < columns; column += kPackedColumns) {
    bf16_panel<Isa, 1>(a, lda, b, block_stride, steps, rows, column, store);
  }
}

/// The same, by a set's own means where it has them.
template <class Isa, class Store>
inline void bf16_product(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                         std::size_t steps, std::size_t rows, std::size_t columns, Store store) {
  if constexpr (requires { Isa::bf16_product(a, lda, b, block_stride, steps, rows, columns, store); }) {
    Isa::bf16_product(a, lda, b, block_stride, steps, rows, columns, store);
  } else {
    bf16_panels<Isa>(a, lda, b, block_stride, steps, rows, columns, store);
  }
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
  if constexpr (requires { Vector::scale_by_small_power_of_two(p, n); }) {
    return Vector::scale_by_small_power_of_two(p, n);
  } else {
    return Vector::scale_by_power_of_two(p, n);
  }
}

inline constexpr float kLog2E = 1.44269504F;

/// Weights of one row's chunk: exp(scale * (score - top)) of `seen` scores, as bfloat16, zeros up to
/// `filled`. Returns their sum. What is stored of a weight is multiplied by its position's scale.
template <class Vector>
inline float chunk_weights(const float* scores, std::size_t seen, std::size_t filled, float scale, float top,
                           const float* value_scales, BFloat16* weights) {
  const ScaledBelowTop<Vector> scaled(top, scale, kLog2E);
  Vector total = Vector::zero();
  std::size_t i = 0;
  for (; i + Vector::kLanes <= seen; i += Vector::kLanes) {
    const Vector weight = power_of_two(scaled(Vector::load(scores + i)));
    total = Vector::add(total, weight);
    const Vector stored =
        value_scales == nullptr ? weight : Vector::mul(weight, Vector::load(value_scales + i));
    stored.store_bf16_normal(weights + i);
  }
  for (; i < filled; i += Vector::kLanes) {
    const std::size_t lanes = seen > i ? seen - i : 0;
    // Lanes past the end hold no scores: whatever comes of them must be a number before it is dropped.
    const Vector power = Vector::min(scaled(Vector::load_partial(scores + i, lanes)), Vector::zero());
    const Vector weight = Vector::first(power_of_two(power), lanes);
    total = Vector::add(total, weight);
    const Vector stored =
        value_scales == nullptr ? weight : Vector::mul(weight, Vector::load_partial(value_scales + i, lanes));
    stored.store_bf16_normal(weights + i);
  }
  return total.reduce_add();
}

template <class Vector>
inline float highest_of(const float* x, std::size_t n) {
  constexpr std::size_t kChains = 4;  // one would wait for itself
  Vector top[kChains];
#pragma unroll
  for (Vector& chain : top) chain = Vector::set1(x[0]);
  std::size_t i = 0;
  for (; i + kChains * Vector::kLanes <= n; i += kChains * Vector::kLanes) {
#pragma unroll
    for (std::size_t c = 0; c < kChains; ++c)
      top[c] = Vector::max(top[c], Vector::load(x + i + c * Vector::kLanes));
  }
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) top[0] = Vector::max(top[0], Vector::load(x + i));
  float highest = Vector::max(Vector::max(top[0], top[1]), Vector::max(top[2], top[3])).reduce_max();
  for (; i < n; ++i) highest = x[i] > highest ? x[i] : highest;
  return highest;
}

/// By how much sums with weights relative to two tops are multiplied before they are added.
struct MergeFactors {
  float top;
  float keep;  ///< of what was there
  float add;   ///< of what comes
};

template <class Vector>
inline float exponential_of(float x) {
  float lanes[Vector::kLanes];
  exponential(Vector::set1(x)).store(lanes);
  return lanes[0];
}

template <class Vector>
inline MergeFactors merge_factors(float top, float part_top, float scale) {
  const float highest = part_top > top ? part_top : top;
  return {.top = highest,
          .keep = exponential_of<Vector>((top - highest) * scale),
          .add = exponential_of<Vector>((part_top - highest) * scale)};
}

template <class Vector>
inline Vector merged(Vector into, Vector part, const MergeFactors& factors) {
  return Vector::fma(into, Vector::set1(factors.keep), Vector::mul(part, Vector::set1(factors.add)));
}

template <class Vector>
inline void merge_attention(AttentionRow& into, const AttentionRow& part, float scale, std::size_t head_dim) {
  const MergeFactors factors = merge_factors<Vector>(into.top, part.top, scale);
  into.top = factors.top;
  into.total = into.total * factors.keep + part.total * factors.add;
  map<Vector>(into.out, head_dim, [&](Vector v, std::size_t i, std::size_t lanes) {
    return merged(v, Vector::load_partial(part.out + i, lanes), factors);
  });
}

// The top of a row that sees nothing of a chunk: finite, so that differences are, and below every score.
inline constexpr float kNoScore = -1e38F;

template <class Isa>
inline void attention_bf16(const AttentionBf16& attention) {
  using Vector = typename Isa::Vector;
  constexpr std::size_t kChunk = kAttentionChunk;
  alignas(64) float scores[kAttentionRows * kChunk];
  alignas(64) BFloat16 weights[kAttentionRows * kChunk];
  MergeFactors factors[kAttentionRows];
  const std::size_t rows = attention.rows;
  const std::size_t head_dim = attention.head_dim;
  const std::size_t pairs = (head_dim + 1) / 2;

  for (std::size_t chunk = attention.first; chunk < attention.last; chunk += kChunk) {
    const std::size_t positions = attention.last - chunk < kChunk ? attention.last - chunk : kChunk;
    const float* key_scales = attention.key_scales == nullptr ? nullptr : attention.key_scales + chunk;
    const float* value_scales = attention.value_scales == nullptr ? nullptr : attention.value_scales + chunk;
    const auto store_scores = [&](std::size_t row, std::size_t at, Vector sum) {
      if (key_scales != nullptr) sum = Vector::mul(sum, Vector::load(key_scales + at));
      sum.store(scores + row * kChunk + at);
    };
    bf16_product<Isa>(attention.q, attention.ldq, attention.keys + chunk * 2 * pairs, pairs * kPackedStep,
                      pairs, rows, positions, store_scores);

    const std::size_t filled = positions + positions % 2;
    for (std::size_t i = 0; i < rows; ++i) {
      const float* row = scores + i * kChunk;
      const std::size_t visible = attention.visible[i] > chunk ? attention.visible[i] - chunk : 0;
      const std::size_t seen = visible < positions ? visible : positions;
      const float top = seen == 0 ? kNoScore : highest_of<Vector>(row, seen);
      const float total =
          chunk_weights<Vector>(row, seen, filled, attention.scale, top, value_scales, weights + i * kChunk);
      if (chunk == attention.first) {
        attention.tops[i] = top;
        attention.totals[i] = total;
        continue;
      }
      factors[i] = merge_factors<Vector>(attention.tops[i], top, attention.scale);
      attention.tops[i] = factors[i].top;
      attention.totals[i] = attention.totals[i] * factors[i].keep + total * factors[i].add;
    }

    const auto store_values = [&](std::size_t row, std::size_t at, Vector sum) {
      if (at >= head_dim) return;
      float* out = attention.out + row * attention.out_stride + at;
      const std::size_t lanes = head_dim - at < Vector::kLanes ? head_dim - at : Vector::kLanes;
      if (chunk != attention.first) sum = merged(Vector::load_partial(out, lanes), sum, factors[row]);
      sum.store_partial(out, lanes);
    };
    bf16_product<Isa>(weights, kChunk, attention.values + chunk * kPackedColumns,
                      attention.value_pairs * kPackedStep, filled / 2, rows, head_dim, store_values);
  }
}

}  // namespace fovea::kernels::generic
