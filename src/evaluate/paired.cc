#include "evaluate/paired.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace fovea::evaluate {
namespace {

/// Correlation of the two models' successes, less half a pair where it is positive (Newcombe 1998).
double correlation(const PairedComparison& pair) {
  const auto both = static_cast<double>(pair.both), neither = static_cast<double>(pair.neither);
  const auto only_a = static_cast<double>(pair.only_a), only_b = static_cast<double>(pair.only_b);
  const double product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither);
  if (product == 0) return 0;
  double covariance = both * neither - only_a * only_b;
  if (covariance > 0) covariance = std::max(0.0, covariance - static_cast<double>(pair.compared()) / 2);
  return covariance / std::sqrt(product);
}

/// Length of the sum of two deviations that are correlated by `phi`.
double combined(double first, double second, double phi) {
  return std::sqrt(std::max(0.0, first * first - 2 * phi * first * second + second * second));
}

}  // namespace

double PairedComparison::difference() const {
  if (compared() == 0) return 0;
  return (static_cast<double>(only_a) - static_cast<double>(only_b)) / static_cast<double>(compared());
}

std::array<double, 2> PairedComparison::interval95() const {
  if (compared() == 0) return {-1.0, 1.0};
  const Count count_a{.right = both + only_a, .compared = compared()};
  const Count count_b{.right = both + only_b, .compared = compared()};
  const auto [low_a, high_a] = wilson_interval95(count_a);
  const auto [low_b, high_b] = wilson_interval95(count_b);
  const double phi = correlation(*this);
  const double below = combined(count_a.rate() - low_a, high_b - count_b.rate(), phi);
  const double above = combined(high_a - count_a.rate(), count_b.rate() - low_b, phi);
  return {difference() - below, difference() + above};
}

nlohmann::ordered_json PairedComparison::to_json() const {
  return {{"a", a},
          {"b", b},
          {"difference", difference()},
          {"interval95", interval95()},
          {"only_a", only_a},
          {"only_b", only_b},
          {"method", "Newcombe 1998, paired, method 10"}};
}

PairedComparison compare_paired(const Evaluation& a, const Evaluation& b) {
  assert(a.right.size() == b.right.size());
  PairedComparison pair;
  pair.a = a.model;
  pair.b = b.model;
  for (std::size_t i = 0; i < a.right.size(); ++i) {
    const bool right_a = a.right[i], right_b = b.right[i];
    if (right_a && right_b) {
      ++pair.both;
    } else if (right_a) {
      ++pair.only_a;
    } else if (right_b) {
      ++pair.only_b;
    } else {
      ++pair.neither;
    }
  }
  return pair;
}

}  // namespace fovea::evaluate
