#include "base/statistics.h"

#include <algorithm>
#include <cmath>

namespace fovea {

std::array<double, 2> wilson_interval95(std::size_t right, std::size_t compared) {
  if (compared == 0) return {0.0, 1.0};
  constexpr double kZ = 1.959963984540054;  // 97.5 % of the standard normal distribution
  const auto n = static_cast<double>(compared);
  const double p = static_cast<double>(right) / n;
  const double center = (p + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
  const double half = kZ / (1 + kZ * kZ / n) * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

}  // namespace fovea
