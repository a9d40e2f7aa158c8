#include "nn/attention.h"

#include <algorithm>
#include <vector>

#include "nn/attention_paths.h"

namespace fovea::nn {

Precision bidirectional_attention_precision(const kernels::Kernels& kernels, std::size_t head_dim,
                                            Precision weights) {
  if (weights == Precision::kF32 || weights == Precision::kBF16) return weights;
  // Heads are padded to the depth of int8 products: one that does not fill it pays for what it does not have.
  const bool fills = head_dim % kernels::kPackedDepth == 0;
  return kernels.attention_int8 != nullptr && fills ? Precision::kInt8 : Precision::kBF16;
}

void bidirectional_attention(const Compute& compute, const AttentionShape& shape, Precision weights,
                             const float* q, const float* k, const float* v, std::size_t frames,
                             std::size_t tokens, float* out) {
  const Precision products = bidirectional_attention_precision(compute.kernels, shape.head_dim, weights);
  const auto attention = products == Precision::kF32    ? bidirectional_attention_f32
                         : products == Precision::kInt8 ? bidirectional_attention_int8
                                                        : bidirectional_attention_bf16;
  attention(compute, shape, q, k, v, frames, tokens, out);
}

void causal_attention(const Compute& compute, const AttentionShape& shape, const LayerPages& layer,
                      std::span<const SequenceRows> batch, const float* q, float* out) {
  switch (layer.type()) {
    case KeyValueType::kF32:
      return causal_attention_f32(compute, shape, layer, batch, q, out);
    case KeyValueType::kBF16:
      return causal_attention_bf16(compute, shape, layer, batch, q, out);
    case KeyValueType::kInt8:
      return causal_attention_int8(compute, shape, layer, batch, q, out);
  }
}

void store_keys_values(const Compute& compute, const AttentionShape& shape, LayerPages& layer,
                       std::span<const SequenceRows> batch, const float* k, const float* v) {
  const std::size_t width = shape.key_value_heads * shape.head_dim;
  struct Place {
    PageId page;
    std::size_t position;
  };
  std::vector<Place> places;
  for (const SequenceRows& rows : batch) {
    for (std::size_t i = 0; i < rows.tokens; ++i) {
      const std::size_t position = rows.sequence->length() + i;
      places.push_back({rows.sequence->pages()[position / kPagePositions], position % kPagePositions});
    }
  }
  // Two positions share a pair of packed values, and the even one clears the odd one's place: a task takes
  // whole pairs of a sequence's rows, in order, as blocks of 16 rows mostly are.
  constexpr std::size_t kFewRows = 16;
  const auto store = [&](std::size_t row) {
    layer.store(compute.kernels, places[row].page, places[row].position, k + row * width, v + row * width);
  };
  if (places.size() <= kFewRows) {
    for (std::size_t row = 0; row < places.size(); ++row) store(row);
    return;
  }
  struct Block {
    std::size_t first, last;
  };
  std::vector<Block> blocks;
  std::size_t row = 0;
  for (const SequenceRows& rows : batch) {
    const std::size_t end = row + rows.tokens;
    while (row < end) {
      std::size_t last = std::min(end, row + kFewRows);
      if (last < end && places[last].position % 2 != 0) ++last;
      blocks.push_back({row, last});
      row = last;
    }
  }
  compute.team.parallel_for(blocks.size(), [&](std::size_t task) {
    for (std::size_t i = blocks[task].first; i < blocks[task].last; ++i) store(i);
  });
}

}  // namespace fovea::nn
