#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "grammar/nodes.h"

namespace fovea::grammar {

/// The largest integer that every JSON reader keeps exactly, 2^53 - 1. Larger ones are never written.
inline constexpr std::int64_t kLargestInteger = (std::int64_t{1} << 53) - 1;

/// All integers from `low` to `high`, each in its one spelling (no leading zero, no -0). Within
/// ±kLargestInteger, low <= high.
NodeId integers_between(std::int64_t low, std::int64_t high, NodeBuilder& builder);

/// One end of a range of decimal numbers.
struct DecimalBound {
  bool negative = false;
  std::uint64_t integer = 0;
  std::string fraction = {};  ///< digits without zeros at the end
  bool exclusive = false;
  std::size_t significant_digits = 1;
};

/// The decimal number that the shortest spelling of `value` denotes. Nothing where its integer part has more
/// than 18 digits.
std::optional<DecimalBound> decimal_bound(double value, bool exclusive);

/// All numbers from `low` to `high` without exponent, with at most `integer_digits` and `fraction_digits`
/// digits (15 together, so that a double keeps them apart) and without "-0". Nothing where there is none.
std::optional<NodeId> decimals_between(const std::optional<DecimalBound>& low,
                                       const std::optional<DecimalBound>& high, std::size_t integer_digits,
                                       std::size_t fraction_digits, NodeBuilder& builder);

}  // namespace fovea::grammar
