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

/// Where value `d` of the key at `position` stands.
inline std::size_t packed_key_place(std::size_t position, std::size_t d, std::size_t head_dim) {
  const std::size_t pairs = (head_dim + 1) / 2;
  return ((position / kHeadBlock * pairs + d / 2) * kHeadBlock + position % kHeadBlock) * 2 + d % 2;
}

/// Where value `d` of the value at `position` stands.
inline std::size_t packed_value_place(std::size_t position, std::size_t d, std::size_t value_pairs) {
  return ((d / kHeadBlock * value_pairs + position / 2) * kHeadBlock + d % kHeadBlock) * 2 + position % 2;
}

/// Stores the key [head_dim] of one position.
inline void pack_key(const float* key, std::size_t position, std::size_t head_dim, tensor::BFloat16* keys) {
  for (std::size_t d = 0; d < head_dim; ++d) {
    keys[packed_key_place(position, d, head_dim)] = tensor::to_bfloat16(key[d]);
  }
  if (head_dim % 2 != 0) keys[packed_key_place(position, head_dim, head_dim)] = {};
}

/// Stores the value [head_dim] of one position, and zeros at the next position of the same pair: products
/// read whole pairs.
inline void pack_value(const float* value, std::size_t position, std::size_t head_dim,
                       std::size_t value_pairs, tensor::BFloat16* values) {
  for (std::size_t d = 0; d < head_dim; ++d) {
    tensor::BFloat16* place = values + packed_value_place(position, d, value_pairs);
    *place = tensor::to_bfloat16(value[d]);
    if (position % 2 == 0) place[1] = {};
  }
}

}  // namespace fovea::nn
