#pragma once

#include <cstddef>

namespace fovea::nn {

/// Multiply-adds below which a loop stays on its caller's thread: waking another costs microseconds, in which
/// one thread does about so many.
inline constexpr std::size_t kWorthSharing = 300'000;

}  // namespace fovea::nn
