#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fovea::models::smolvlm {

/// How one picture was cut: rows = columns = 0 for a single frame.
struct Grid {
  int rows = 0;
  int columns = 0;
};

/// Replaces every `<image>` of a rendered chat by the markers and image tokens of its picture, in order.
/// Errors (kInvalidArgument): the number of `<image>` and of pictures differ.
/// Source: transformers' Idefics3Processor.
Result<std::string> expand_image_prompt(std::string_view chat, std::span<const Grid> pictures,
                                        std::size_t tokens_per_frame);

}  // namespace fovea::models::smolvlm
