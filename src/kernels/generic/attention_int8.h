#pragma once

// Attention whose products are those of int8 matrices, written once on a set's `Isa` (quantized.h) and its
// product of them: scores of a chunk, their weights in 127ths of the largest, sums of values.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/generic/attention.h"

namespace fovea::kernels::generic {

inline constexpr float kMostWeight = 127.0F;

/// Weights 2^(score - top) of `n` scores in 127ths, zeros up to `padded`, with kOffset added as the product
/// wants its rows; returns the sum of the rounded weights.
template <class Vector, int kOffset>
inline float chunk_weights_int8(const float* scores, std::size_t n, std::size_t padded, float top,
                                std::uint8_t* weights) {
  const Vector highest = Vector::set1(top);
  const Vector most = Vector::set1(kMostWeight);
  Vector total = Vector::zero();
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) {
    const Vector power = power_of_two(Vector::sub(Vector::load(scores + i), highest));
    const Vector weight = Vector::round(Vector::mul(power, most));
    total = Vector::add(total, weight);
    weight.template store_int8<kOffset>(weights + i);
  }
  for (; i < padded; i += Vector::kLanes) {
    const std::size_t lanes = n > i ? n - i : 0;
    // Lanes past the end hold no scores: whatever comes of them must be a number before it is dropped.
    const Vector below = Vector::sub(Vector::load_partial(scores + i, lanes), highest);
    const Vector power = power_of_two(Vector::min(below, Vector::zero()));
    const Vector weight = Vector::first(Vector::round(Vector::mul(power, most)), lanes);
    total = Vector::add(total, weight);
    weight.template store_int8<kOffset>(weights + i);
  }
  return total.reduce_add();
}

template <class Isa, auto kMatmulInt8>
inline void attention_int8(const AttentionInt8& attention) {
  using Vector = typename Isa::Vector;
  constexpr std::size_t kChunk = kAttentionChunk;
  alignas(64) float scores[kAttentionRows * kChunk];
  alignas(64) std::uint8_t weights[kAttentionRows * kChunk];
  float tops[kAttentionRows], totals[kAttentionRows], weight_scales[kAttentionRows];
  const std::size_t columns = (attention.head_dim + kPackedColumns - 1) / kPackedColumns * kPackedColumns;

  for (std::size_t first = 0; first < attention.positions; first += kChunk) {
    const std::size_t positions = std::min(kChunk, attention.positions - first);
    kMatmulInt8({.a = attention.q,
                 .lda = attention.depth,
                 .a_scales = attention.q_scales,
                 .b = attention.keys + first * attention.depth,
                 .b_multipliers = nullptr,
                 .b_sums = attention.key_sums + first,
                 .b_scales = attention.key_scales + first,
                 .bias = nullptr,
                 .scratch = nullptr,
                 .c = scores,
                 .ldc = kChunk,
                 .m = attention.rows,
                 .n = positions,
                 .k = attention.depth,
                 .epilogue = Epilogue::kStore});

    const std::size_t padded = (positions + kPackedDepth - 1) / kPackedDepth * kPackedDepth;
    for (std::size_t i = 0; i < attention.rows; ++i) {
      const float* row = scores + i * kChunk;
      const float top = highest_of<Vector>(row, positions);
      const float total =
          chunk_weights_int8<Vector, Isa::Dot::kOffset>(row, positions, padded, top, weights + i * kChunk);
      if (first == 0) {
        tops[i] = top;
        totals[i] = total;
        weight_scales[i] = 1.0F;
        continue;
      }
      const MergeFactors factors = merge_factors<Vector>(tops[i], top, 1.0F / kLog2E);
      tops[i] = factors.top;
      totals[i] = totals[i] * factors.keep + total * factors.add;
      weight_scales[i] = factors.add;
      if (factors.keep == 1.0F) continue;
      const Vector keep = Vector::set1(factors.keep);
      map<Vector>(attention.out + i * attention.out_stride, attention.head_dim,
                  [keep](Vector v, std::size_t, std::size_t) { return Vector::mul(v, keep); });
    }

    const std::size_t chunk = first / kChunk;
    kMatmulInt8({.a = weights,
                 .lda = kChunk,
                 .a_scales = weight_scales,
                 .b = attention.values + chunk * columns * kChunk,
                 .b_multipliers = nullptr,
                 .b_sums = attention.value_sums + chunk * columns,
                 .b_scales = attention.value_scales + chunk * columns,
                 .bias = nullptr,
                 .scratch = nullptr,
                 .c = attention.out,
                 .ldc = attention.out_stride,
                 .m = attention.rows,
                 .n = attention.head_dim,
                 .k = padded,
                 .epilogue = first == 0 ? Epilogue::kStore : Epilogue::kAdd});
  }
  for (std::size_t i = 0; i < attention.rows; ++i) {
    const Vector factor = Vector::set1(1.0F / totals[i]);
    map<Vector>(attention.out + i * attention.out_stride, attention.head_dim,
                [factor](Vector v, std::size_t, std::size_t) { return Vector::mul(v, factor); });
  }
}

}  // namespace fovea::kernels::generic
