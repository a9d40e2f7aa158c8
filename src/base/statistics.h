#pragma once

#include <array>
#include <cstddef>

namespace fovea {

/// Wilson's 95 % score interval for the rate of `right` in `compared`; [0, 1] for none. Source: Wilson 1927.
std::array<double, 2> wilson_interval95(std::size_t right, std::size_t compared);

}  // namespace fovea
