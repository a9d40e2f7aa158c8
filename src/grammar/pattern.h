#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/code_points.h"
#include "grammar/nodes.h"

namespace fovea::grammar {

/// A regular expression's syntax tree.
struct Expression {
  enum class Kind : std::uint8_t {
    kEmpty,
    kSet,        ///< one character of `set`
    kSequence,   ///< `parts` one after the other
    kAlternate,  ///< one of `parts`
    kRepeat,     ///< parts[0], `min` to `max` (kInfinite) times
    kBegin,      ///< ^
    kEnd,        ///< $
  };
  Kind kind = Kind::kEmpty;
  CodePointSet set = {};
  std::vector<Expression> parts = {};
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};

/// Parses the subset of ECMA-262 regular expressions (with the u flag, as JSON Schema has them) that
/// describes regular languages: characters and escapes, classes, \d \w \s and their complements, `.`, groups
/// that capture or not, alternation, greedy and lazy quantifiers, ^ and $. Errors (kInvalidArgument): a
/// syntax error, or the construct that is not supported (look-around, back-references, \b, \p).
Result<Expression> parse_pattern(std::string_view pattern);

/// The automaton for the texts of `min_length` to `max_length` characters in which `expression` matches
/// somewhere. Errors (kInvalidArgument): no such text, more states than the limit.
Result<PatternAutomaton> make_automaton(const Expression& expression, std::size_t min_length,
                                        std::size_t max_length, NodeBuilder& builder);

}  // namespace fovea::grammar
