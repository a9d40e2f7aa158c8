#include "grammar/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "text/unicode.h"

namespace fovea::grammar {
namespace {

using Kind = Expression::Kind;

constexpr std::size_t kMaxPatternBytes = 2000;
constexpr std::size_t kMaxGroups = 32;        // one inside the other
constexpr std::uint32_t kMaxRepeat = 10'000;  // larger counts could not be built anyway

const CodePointSet kDigits = {{'0', '9'}};
const CodePointSet kWordCharacters = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
/// WhiteSpace and LineTerminator of ECMA-262.
const CodePointSet kSpaces = {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                              {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                              {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodePointSet kLineTerminators = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

Expression set_of(CodePointSet set) {
  return {.kind = Kind::kSet, .set = std::move(set)};
}

/// Recursive descent over the pattern's code points. The first error is kept, and everything unwinds.
class PatternParser {
 public:
  explicit PatternParser(std::string_view pattern) {
    while (!pattern.empty()) {
      const text::CodePoint point = text::first_code_point(pattern);
      text_.push_back(point.value);
      pattern.remove_prefix(point.length);
    }
  }

  Result<Expression> parse() {
    Expression whole = alternatives(0);
    if (problem_.empty() && !at_end()) problem("unmatched )");
    if (!problem_.empty()) return fail(ErrorCode::kInvalidArgument, problem_);
    return whole;
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char32_t peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0;
  }
  bool take(char32_t wanted) {
    if (at_end() || peek() != wanted) return false;
    ++at_;
    return true;
  }
  void problem(std::string_view what) {
    if (problem_.empty()) problem_ = fmt::format("at character {}: {}", at_ + 1, what);
    at_ = text_.size();
  }

  Expression alternatives(std::size_t depth) {
    if (depth > kMaxGroups) problem("groups nested too deep");
    Expression result = {.kind = Kind::kAlternate};
    do {
      result.parts.push_back(sequence(depth));
    } while (take('|'));
    if (result.parts.size() > 1) return result;
    return Expression(std::move(result.parts.front()));
  }

  Expression sequence(std::size_t depth) {
    Expression result = {.kind = Kind::kSequence};
    while (!at_end() && peek() != '|' && peek() != ')') result.parts.push_back(quantified(depth));
    return result;
  }

  Expression quantified(std::size_t depth) {
    Expression atom = this->atom(depth);
    const bool assertion = atom.kind == Kind::kBegin || atom.kind == Kind::kEnd;
    std::uint32_t min = 0;
    std::uint32_t max = 0;
    if (take('*')) {
      max = kInfinite;
    } else if (take('+')) {
      min = 1;
      max = kInfinite;
    } else if (take('?')) {
      max = 1;
    } else if (take('{')) {
      std::tie(min, max) = counts();
    } else {
      return atom;
    }
    if (assertion) problem("a quantifier after an assertion");
    take('?');  // lazy: prefers shorter matches of the same language
    Expression result = {.kind = Kind::kRepeat, .min = min, .max = max};
    result.parts.push_back(std::move(atom));
    return result;
  }

  std::pair<std::uint32_t, std::uint32_t> counts() {
    const std::optional<std::uint32_t> min = number();
    std::optional<std::uint32_t> max = min;
    if (take(',')) max = peek() == '}' ? kInfinite : number();
    if (!min || !max || !take('}')) {
      problem("expected {n}, {n,} or {n,m} with at most 10000");
      return {0, 0};
    }
    if (*min > *max) problem("a quantifier's numbers are out of order");
    return {*min, *max};
  }

  std::optional<std::uint32_t> number() {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    std::uint32_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + static_cast<std::uint32_t>(text_[at_++] - '0');
      if (value > kMaxRepeat) return std::nullopt;
    }
    return value;
  }

  Expression atom(std::size_t depth) {
    const char32_t c = text_[at_++];
    switch (c) {
      case '^':
        return {.kind = Kind::kBegin};
      case '$':
        return {.kind = Kind::kEnd};
      case '.':
        return set_of(kLineTerminators.complement());
      case '(':
        return group(depth);
      case '[':
        return set_of(char_class());
      case '\\':
        return set_of(escape(false));
      case '*':
      case '+':
      case '?':
      case '{':
        --at_;
        problem("nothing to repeat");
        return {};
      case '}':
      case ']':
        --at_;
        problem("a bracket that closes nothing (write it with a backslash)");
        return {};
      default:
        return set_of({{c, c}});
    }
  }

  Expression group(std::size_t depth) {
    if (take('?')) {
      if (peek() == '=' || peek() == '!') {
        problem("look-ahead is not supported");
      } else if (peek() == '<' && (peek(1) == '=' || peek(1) == '!')) {
        problem("look-behind is not supported");
      } else if (take('<')) {
        while (!at_end() && peek() != '>') ++at_;
        if (!take('>')) problem("a group's name without its end");
      } else if (!take(':')) {
        problem("an unknown kind of group");
      }
    }
    Expression inside = alternatives(depth + 1);
    if (problem_.empty() && !take(')')) problem("a group without its end");
    // A sequence of its own, so that a quantifier after `(^)` is none after an assertion.
    Expression result = {.kind = Kind::kSequence};
    result.parts.push_back(std::move(inside));
    return result;
  }

  /// What stands behind a backslash.
  CodePointSet escape(bool in_class) {
    if (at_end()) {
      problem("a backslash at the end");
      return {};
    }
    const char32_t c = text_[at_++];
    constexpr std::u32string_view kSyntax = U"^$\\.*+?()[]{}|/";
    if (kSyntax.find(c) != std::u32string_view::npos || (in_class && c == '-')) return {{c, c}};
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return kDigits.complement();
      case 'w':
        return kWordCharacters;
      case 'W':
        return kWordCharacters.complement();
      case 's':
        return kSpaces;
      case 'S':
        return kSpaces.complement();
      case 't':
        return {{'\t', '\t'}};
      case 'n':
        return {{'\n', '\n'}};
      case 'v':
        return {{'\v', '\v'}};
      case 'f':
        return {{'\f', '\f'}};
      case 'r':
        return {{'\r', '\r'}};
      case '0':
        if (peek() >= '0' && peek() <= '9') problem("an octal escape");
        return {{0, 0}};
      case 'x':
        return one(hexadecimal(2));
      case 'u':
        return one(unicode_escape());
      case 'b':
        if (in_class) return {{'\b', '\b'}};
        problem("\\b is not supported");
        return {};
      default:
        --at_;
        problem("this escape is not supported");
        return {};
    }
  }

  static CodePointSet one(char32_t c) { return {{c, c}}; }

  char32_t hexadecimal(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const std::optional<char32_t> digit = hexadecimal_digit();
      if (!digit) {
        problem("expected a hexadecimal digit");
        return 0;
      }
      value = value * 16 + *digit;
    }
    return value;
  }
  std::optional<char32_t> hexadecimal_digit() {
    const char32_t c = peek();
    char32_t value = 0;
    if (c >= '0' && c <= '9') {
      value = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      value = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      value = c - 'A' + 10;
    } else {
      return std::nullopt;
    }
    ++at_;
    return value;
  }

  char32_t unicode_escape() {
    if (take('{')) {
      char32_t value = 0;
      bool any = false;
      while (const std::optional<char32_t> digit = hexadecimal_digit()) {
        any = true;
        value = value * 16 + *digit;
        if (value > CodePointSet::kLast) break;
      }
      if (!any || value > CodePointSet::kLast || !take('}')) problem("an invalid \\u{…}");
      return value;
    }
    const char32_t first = hexadecimal(4);
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first <= 0xDBFF && peek() == '\\' && peek(1) == 'u') {
      at_ += 2;
      const char32_t second = hexadecimal(4);
      if (second >= 0xDC00 && second <= 0xDFFF) return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    }
    problem("half of a surrogate pair");
    return 0;
  }

  /// A class behind its opening bracket.
  CodePointSet char_class() {
    const bool negated = take('^');
    CodePointSet set;
    while (!at_end() && peek() != ']') {
      const ClassAtom first = class_atom();
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        const ClassAtom last = class_atom();
        if (!first.single || !last.single || *first.single > *last.single) {
          problem("an invalid range in a class");
          return {};
        }
        set.add({*first.single, *last.single});
      } else {
        set.add(first.set);
      }
    }
    if (problem_.empty() && !take(']')) problem("a class without its end");
    return negated ? set.complement() : set;
  }

  struct ClassAtom {
    CodePointSet set;
    std::optional<char32_t> single;
  };
  ClassAtom class_atom() {
    const char32_t c = text_[at_++];
    if (c != '\\') return {{{c, c}}, c};
    const char32_t letter = peek();
    constexpr std::u32string_view kSets = U"dDwWsS";
    CodePointSet set = escape(true);
    if (kSets.find(letter) != std::u32string_view::npos || set.empty()) return {std::move(set), std::nullopt};
    const char32_t value = set.ranges().front().first;
    return {std::move(set), value};
  }

  std::u32string text_;
  std::size_t at_ = 0;
  std::string problem_;
};

}  // namespace

Result<Expression> parse_pattern(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("longer than {} bytes", kMaxPatternBytes));
  }
  return PatternParser(pattern).parse();
}

}  // namespace fovea::grammar
