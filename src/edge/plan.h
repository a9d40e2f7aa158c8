#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/micro_cnn/model.h"

namespace fovea::edge {

/// A step of the exported network: a layer, and the max pool after it where that is taken at once.
struct Step {
  models::micro_cnn::Layer layer;
  bool pool = false;          ///< a max pool follows and is part of the step
  std::size_t out_size = 0;   ///< after that pool
  std::size_t in_offset = 0;  ///< bytes from the arena's beginning
  std::size_t out_offset = 0;
  std::size_t in_bytes = 0;
  std::size_t out_bytes = 0;     ///< 0 where the step works in place or gives a vector
  std::size_t product = 0;       ///< index of its first product
  std::size_t weight_bytes = 0;  ///< weights, biases and factors
};

/// What a network takes on a device with pointers of 32 bits.
struct Plan {
  models::micro_cnn::WeightType weights = models::micro_cnn::WeightType::kFloat;
  std::vector<Step> steps;
  std::size_t products = 0;
  std::size_t most_channels = 0;   ///< of the vectors of means and gates
  std::size_t most_fan_in = 0;     ///< integers: of a convolution or pointwise product
  std::size_t most_outputs = 0;    ///< integers: of those and of depthwise ones
  std::size_t unpacked_bytes = 0;  ///< int4: the most weights of a product, one a byte
  std::size_t arena_bytes = 0;

  std::size_t weight_bytes = 0;
  std::size_t table_bytes = 0;  ///< gates and exponentials, the layers' descriptions, class names
  std::size_t code_bytes = 0;   ///< an allowance for the runtime, see plan.cc
  std::size_t state_bytes = 0;  ///< sizeof prefix_state
  std::size_t stack_bytes = 0;  ///< an allowance likewise

  [[nodiscard]] std::size_t flash_bytes() const { return weight_bytes + table_bytes + code_bytes; }
  [[nodiscard]] std::size_t ram_bytes() const { return state_bytes + stack_bytes; }
};

/// Lays a network out.
Plan make_plan(const models::micro_cnn::Model& model);

}  // namespace fovea::edge
