#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace fovea::grammar {

/// One thing still to be matched: a node and where in it the sequence stands. What `a` and `b` mean depends
/// on the node (nodes.h).
struct Frame {
  std::uint32_t node;
  std::uint32_t a;
  std::uint32_t b;

  bool operator==(const Frame&) const = default;
};

/// A state outside of a step: its stacks one behind the other, each from the top down, each closed by a frame
/// with node kEndOfStack.
using FrameSpan = std::span<const Frame>;
inline constexpr std::uint32_t kEndOfStack = std::numeric_limits<std::uint32_t>::max();

/// A counter that never runs out.
inline constexpr std::uint32_t kInfinite = std::numeric_limits<std::uint32_t>::max();

}  // namespace fovea::grammar
