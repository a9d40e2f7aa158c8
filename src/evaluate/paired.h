#pragma once

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "evaluate/evaluate.h"

namespace fovea::evaluate {

/// Two models on the same pictures. What both get right or wrong says nothing about which is better; the
/// pictures that only one of them gets right do.
struct PairedComparison {
  std::string a, b;         ///< the models' names
  std::size_t both = 0;     ///< whole records that both have right
  std::size_t only_a = 0;   ///< that only `a` has right
  std::size_t only_b = 0;   ///< that only `b` has right
  std::size_t neither = 0;  ///< that neither has right

  [[nodiscard]] std::size_t compared() const { return both + only_a + only_b + neither; }
  /// Accuracy of `a` less that of `b`; 0 where nothing was compared.
  [[nodiscard]] double difference() const;
  /// 95 % interval of the difference: Newcombe's score interval for paired proportions. Source: Newcombe
  /// 1998, "Improved confidence intervals for the difference between binomial proportions based on paired
  /// data", Statistics in Medicine 17, method 10.
  [[nodiscard]] std::array<double, 2> interval95() const;
  /// One entry of `paired` in `fovea evaluate --json`.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

/// Compares whole records, picture by picture. Both evaluations must be of the same examples in the same
/// order.
PairedComparison compare_paired(const Evaluation& a, const Evaluation& b);

}  // namespace fovea::evaluate
