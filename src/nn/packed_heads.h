#pragma once

#include <cstddef>

#include "kernels/kernels.h"
#include "tensor/dtype.h"

// Keys and values of one head in bfloat16, in the order that kernels::AttentionBf16 reads: keys
// [positions / 16, head_dim / 2, 16, 2], values [head_dim / 16, pairs of positions, 16, 2].

namespace fovea::nn {

inline constexpr std::size_t kHeadBlock = kernels::kPackedColumns;

/// Elements for `positions` keys.
inline std::size_t packed_keys_size(std::size_t positions, std::size_t head_dim) {
  return (positions + kHeadBlock - 1) / kHeadBlock * ((head_dim + 1) / 2) * 2 * kHeadBlock;
}

/// Elements for `positions` values.
inline std::size_t packed_values_size(std::size_t positions, std::size_t head_dim) {
  return (head_dim + kHeadBlock - 1) / kHeadBlock * ((positions + 1) / 2) * 2 * kHeadBlock;
}

/// Stores the key [head_dim] of one position.
inline void pack_key(const float* key, std::size_t position, std::size_t head_dim, tensor::BFloat16* keys) {
  const std::size_t pairs = (head_dim + 1) / 2;
  tensor::BFloat16* out = keys + (position / kHeadBlock * pairs * kHeadBlock + position % kHeadBlock) * 2;
  for (std::size_t d = 0; d < head_dim; ++d) {
    out[d / 2 * 2 * kHeadBlock + d % 2] = tensor::to_bfloat16(key[d]);
  }
  if (head_dim % 2 != 0) out[head_dim / 2 * 2 * kHeadBlock + 1] = {};
}

/// Stores the value [head_dim] of one position, and zeros at the next position of the same pair: products
/// read whole pairs.
inline void pack_value(const float* value, std::size_t position, std::size_t head_dim,
                       std::size_t value_pairs, tensor::BFloat16* values) {
  for (std::size_t d = 0; d < head_dim; ++d) {
    tensor::BFloat16* pair =
        values + ((d / kHeadBlock * value_pairs + position / 2) * kHeadBlock + d % kHeadBlock) * 2;
    pair[position % 2] = tensor::to_bfloat16(value[d]);
    if (position % 2 == 0) pair[1] = {};
  }
}

}  // namespace fovea::nn
