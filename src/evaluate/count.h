#pragma once

#include <array>
#include <cstddef>

namespace fovea::evaluate {

/// Successes among trials.
struct Count {
  std::size_t right = 0;
  std::size_t compared = 0;

  [[nodiscard]] double rate() const {
    return compared == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(compared);
  }
};

/// Wilson's 95 % score interval for a rate. Source: Wilson 1927.
std::array<double, 2> wilson_interval95(const Count& count);

}  // namespace fovea::evaluate
