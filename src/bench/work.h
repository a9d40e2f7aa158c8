#pragma once

#include <cstddef>

#include "kernels/peaks.h"
#include "models/smolvlm/config.h"
#include "nn/key_value_pages.h"
#include "nn/weight.h"

namespace fovea::bench {

/// The arithmetic of a stage: operations of its products, a multiplication and an addition each counted.
struct Work {
  double linear = 0;          ///< activations times weights
  double attention = 0;       ///< the two products of attention, without the masked half, float or bfloat16
  double attention_int8 = 0;  ///< likewise, where they are computed in int8
};

/// One tile through the vision tower and the connector; `attention` as nn::bidirectional_attention_precision
/// has it.
Work vision_work(const models::smolvlm::Config& config, nn::Precision attention);

/// A prompt of so many tokens, and the logits of its last one.
Work prefill_work(const models::smolvlm::Config& config, std::size_t tokens);

/// Bytes that one new token reads: every weight of the text model and of its head, and the keys and values of
/// `context` positions.
double decode_bytes(const models::smolvlm::Config& config, nn::Precision precision,
                    nn::KeyValueType key_value_type, std::size_t context);

/// Milliseconds that the work takes at the machine's peaks: products with weights at the peak of their type,
/// attention at that of float for float weights and of bfloat16 for narrower ones, or of int8 where it is
/// that.
double least_ms(const Work& work, nn::Precision precision, const kernels::Peaks& peaks);

}  // namespace fovea::bench
