#include "grammar/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace fovea::grammar {
namespace {

NodeId digit(char first, char last, NodeBuilder& builder) {
  return builder.byte_range(static_cast<unsigned char>(first), static_cast<unsigned char>(last));
}
NodeId digits(std::size_t min, std::size_t max, NodeBuilder& builder) {
  return builder.repeat(digit('0', '9', builder), min, max);
}

/// The strings of digits from `low` to `high`, which have the same length.
NodeId same_length(std::string_view low, std::string_view high, NodeBuilder& builder) {
  if (low.empty()) return kEmptyNode;
  const std::size_t rest = low.size() - 1;
  const auto only = [](std::string_view text, char c) {
    return text.find_first_not_of(c) == std::string_view::npos;
  };
  if (low[0] == high[0]) {
    return builder.sequence(
        {builder.literal(low.substr(0, 1)), same_length(low.substr(1), high.substr(1), builder)});
  }
  // First digits below which everything is in the range, and those where it depends on the rest.
  char first = low[0];
  char last = high[0];
  std::vector<NodeId> branches;
  if (!only(low.substr(1), '0')) {
    const std::string nines(rest, '9');
    branches.push_back(
        builder.sequence({builder.literal(low.substr(0, 1)), same_length(low.substr(1), nines, builder)}));
    ++first;
  }
  if (!only(high.substr(1), '9')) {
    const std::string zeros(rest, '0');
    branches.push_back(
        builder.sequence({builder.literal(high.substr(0, 1)), same_length(zeros, high.substr(1), builder)}));
    --last;
  }
  if (first <= last)
    branches.push_back(builder.sequence({digit(first, last, builder), digits(rest, rest, builder)}));
  return builder.choice(branches);
}

std::uint64_t power_of_ten(std::size_t exponent) {
  std::uint64_t power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

/// Natural numbers from `low` to `high`, at most 18 digits long.
NodeId naturals_between(std::uint64_t low, std::uint64_t high, NodeBuilder& builder) {
  std::vector<NodeId> branches;
  std::size_t first_whole = 0;  // lengths all of whose numbers belong, taken together
  std::size_t last_whole = 0;
  for (std::size_t length = 1; length <= 18; ++length) {
    const std::uint64_t least = length == 1 ? 0 : power_of_ten(length - 1);
    const std::uint64_t greatest = power_of_ten(length) - 1;
    if (low > greatest || high < least) continue;
    if (length > 1 && low <= least && greatest <= high) {
      if (first_whole == 0) first_whole = length;
      last_whole = length;
      continue;
    }
    branches.push_back(
        same_length(std::to_string(std::max(low, least)), std::to_string(std::min(high, greatest)), builder));
  }
  if (first_whole > 0) {
    branches.push_back(
        builder.sequence({digit('1', '9', builder), digits(first_whole - 1, last_whole - 1, builder)}));
  }
  return builder.choice(branches);
}

/// A bound of what is behind the decimal point, as far as the digits before have not decided it.
struct FractionBound {
  std::string_view digits;
  bool exclusive;

  [[nodiscard]] char head() const { return digits.empty() ? '0' : digits[0]; }
  [[nodiscard]] FractionBound tail() const { return {digits.empty() ? digits : digits.substr(1), exclusive}; }
};
using Undecided = std::optional<FractionBound>;

/// Whether the number may stop here: whether a fraction of nothing but zeros is within what is left.
bool may_stop(const Undecided& low, const Undecided& high) {
  if (low && (!low->digits.empty() || low->exclusive)) return false;
  return !high || !high->digits.empty() || !high->exclusive;
}

/// Strings of 1 to `room` digits that are fractions between the bounds; nothing where there is none.
std::optional<NodeId> fraction_digits_between(Undecided low, const Undecided& high, std::size_t room,
                                              NodeBuilder& builder) {
  if (room == 0) return std::nullopt;
  if (low && low->digits.empty() && !low->exclusive) low.reset();
  if (!low && !high) return digits(1, room, builder);
  std::vector<NodeId> branches;
  const auto add_branch = [&](char first, char last, const Undecided& next_low, const Undecided& next_high) {
    const std::optional<NodeId> more = fraction_digits_between(next_low, next_high, room - 1, builder);
    const bool stop = may_stop(next_low, next_high);
    if (!more && !stop) return;
    const NodeId head = digit(first, last, builder);
    if (!more) {
      branches.push_back(head);
    } else {
      branches.push_back(builder.sequence({head, stop ? builder.optional(*more) : *more}));
    }
  };
  const char lowest = low ? low->head() : '0';
  const char highest = high ? high->head() : '9';
  if (lowest > highest) return std::nullopt;
  char first = lowest;
  char last = highest;
  if (low && high && lowest == highest) {
    add_branch(lowest, lowest, low->tail(), high->tail());
    first = static_cast<char>(last + 1);
  } else {
    if (low) {
      add_branch(lowest, lowest, low->tail(), std::nullopt);
      ++first;
    }
    if (high) {
      add_branch(highest, highest, std::nullopt, high->tail());
      --last;
    }
  }
  if (first <= last) add_branch(first, last, std::nullopt, std::nullopt);
  if (branches.empty()) return std::nullopt;
  return builder.choice(branches);
}

/// What may follow an integer part: nothing, or a point and digits; no value where neither may.
std::optional<NodeId> fraction_between(const Undecided& low, const Undecided& high, std::size_t room,
                                       NodeBuilder& builder) {
  const std::optional<NodeId> some = fraction_digits_between(low, high, room, builder);
  const bool none = may_stop(low, high);
  if (!some) return none ? std::optional(kEmptyNode) : std::nullopt;
  const NodeId with_point = builder.sequence({builder.literal("."), *some});
  return none ? builder.optional(with_point) : with_point;
}

struct Digits {
  std::size_t integer;
  std::size_t fraction;
};

/// Numbers without a sign, from `low` to `high`.
std::optional<NodeId> magnitudes_between(const DecimalBound& low, DecimalBound high, Digits room,
                                         NodeBuilder& builder) {
  const std::uint64_t largest = power_of_ten(room.integer) - 1;
  if (low.integer > largest) return std::nullopt;
  if (high.integer > largest) high = {.integer = largest, .fraction = std::string(room.fraction, '9')};
  if (low.integer > high.integer) return std::nullopt;
  const FractionBound low_fraction = {low.fraction, low.exclusive};
  const FractionBound high_fraction = {high.fraction, high.exclusive};
  std::vector<NodeId> branches;
  const auto add_branch = [&](std::uint64_t first, std::uint64_t last, const Undecided& from,
                              const Undecided& to) {
    const std::optional<NodeId> fraction = fraction_between(from, to, room.fraction, builder);
    if (fraction) branches.push_back(builder.sequence({naturals_between(first, last, builder), *fraction}));
  };
  if (low.integer == high.integer) {
    add_branch(low.integer, low.integer, low_fraction, high_fraction);
  } else {
    std::uint64_t first = low.integer;
    std::uint64_t last = high.integer;
    if (!low.fraction.empty() || low.exclusive) {
      add_branch(first, first, low_fraction, std::nullopt);
      ++first;
    }
    add_branch(last, last, std::nullopt, high_fraction);
    --last;
    if (first <= last) add_branch(first, last, std::nullopt, std::nullopt);
  }
  if (branches.empty()) return std::nullopt;
  return builder.choice(branches);
}

}  // namespace

NodeId integers_between(std::int64_t low, std::int64_t high, NodeBuilder& builder) {
  std::vector<NodeId> branches;
  if (high >= 0) {
    branches.push_back(naturals_between(static_cast<std::uint64_t>(std::max<std::int64_t>(low, 0)),
                                        static_cast<std::uint64_t>(high), builder));
  }
  if (low < 0) {
    const NodeId magnitude = naturals_between(static_cast<std::uint64_t>(-std::min<std::int64_t>(high, -1)),
                                              static_cast<std::uint64_t>(-low), builder);
    branches.push_back(builder.sequence({builder.literal("-"), magnitude}));
  }
  return builder.choice(branches);
}

std::optional<DecimalBound> decimal_bound(double value, bool exclusive) {
  const std::string shortest = fmt::format("{}", std::fabs(value));
  const std::size_t e = shortest.find('e');
  const std::string plain = shortest.substr(0, e);
  const std::size_t point = std::min(plain.find('.'), plain.size());
  std::string mantissa = plain.substr(0, point) + (point < plain.size() ? plain.substr(point + 1) : "");
  int exponent = static_cast<int>(point) + (e == std::string::npos ? 0 : std::atoi(shortest.c_str() + e + 1));
  // mantissa * 10^(exponent - its length): `exponent` digits stand before the point.
  DecimalBound bound = {.negative = value < 0, .exclusive = exclusive};
  const std::size_t leading = std::min(mantissa.find_first_not_of('0'), mantissa.size());
  mantissa.erase(0, leading);
  exponent -= static_cast<int>(leading);
  while (mantissa.ends_with('0')) mantissa.pop_back();
  bound.significant_digits = mantissa.size();
  if (mantissa.empty()) return bound;
  if (exponent > 18) return std::nullopt;
  if (exponent <= 0) {
    bound.fraction = std::string(static_cast<std::size_t>(-exponent), '0') + mantissa;
  } else {
    const auto whole = static_cast<std::size_t>(exponent);
    std::string integer = mantissa.substr(0, whole);
    integer.append(whole - integer.size(), '0');
    bound.integer = std::stoull(integer);
    if (mantissa.size() > whole) bound.fraction = mantissa.substr(whole);
  }
  return bound;
}

std::optional<NodeId> decimals_between(const std::optional<DecimalBound>& low,
                                       const std::optional<DecimalBound>& high, std::size_t integer_digits,
                                       std::size_t fraction_digits, NodeBuilder& builder) {
  const Digits room = {integer_digits, fraction_digits};
  const DecimalBound greatest = {.integer = power_of_ten(integer_digits)};
  const DecimalBound above_zero = {.exclusive = true};
  std::vector<NodeId> branches;
  if (!high || !high->negative) {
    const DecimalBound from = low && !low->negative ? *low : DecimalBound{};
    if (const auto node = magnitudes_between(from, high.value_or(greatest), room, builder))
      branches.push_back(*node);
  }
  if (!low || low->negative) {
    const DecimalBound from = high && high->negative ? *high : above_zero;
    if (const auto node = magnitudes_between(from, low.value_or(greatest), room, builder)) {
      branches.push_back(builder.sequence({builder.literal("-"), *node}));
    }
  }
  if (branches.empty()) return std::nullopt;
  return builder.choice(branches);
}

}  // namespace fovea::grammar
