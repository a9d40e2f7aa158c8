#include "tasks/pattern.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/ascii.h"

namespace fovea::tasks {
namespace {

using Range = std::pair<std::int32_t, std::int32_t>;  // first and last code point

constexpr std::int32_t kLastCodePoint = 0x10FFFF;
constexpr std::size_t kMaxInstructions = 20'000;
constexpr std::size_t kMaxDepth = 64;
constexpr std::uint32_t kMaxRepeat = 10'000;

/// One step of the machine.
struct Instruction {
  enum class Kind { kSet, kSplit, kJump, kMatch } kind = Kind::kMatch;
  std::vector<Range> set;  ///< kSet: the characters that lead on
  std::size_t first = 0;   ///< kSplit, kJump: where to go on
  std::size_t second = 0;  ///< kSplit: where to go on as well
};
using Code = std::vector<Instruction>;

std::vector<Range> complement(std::vector<Range> set) {
  std::ranges::sort(set);
  std::vector<Range> result;
  std::int32_t next = 0;
  for (const auto& [first, last] : set) {
    if (first > next) result.emplace_back(next, first - 1);
    next = std::max(next, last + 1);
  }
  if (next <= kLastCodePoint) result.emplace_back(next, kLastCodePoint);
  return result;
}

/// The set that `\d` and its like stand for.
std::optional<std::vector<Range>> class_escape(char letter) {
  std::vector<Range> set;
  switch (ascii_lower(letter)) {
    case 'd':
      set = {{'0', '9'}};
      break;
    case 'w':
      set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      break;
    case 's':
      set = {{0x09, 0x0D}, {' ', ' '}, {0xA0, 0xA0}};
      break;
    default:
      return std::nullopt;
  }
  return is_ascii_lower(letter) ? set : complement(std::move(set));
}

/// Reads an expression by descent and writes code for it.
class Compiler {
 public:
  explicit Compiler(std::string_view text) : text_(text) {}

  Result<Code> compile() {
    FOVEA_TRY(Code code, alternatives(0));
    if (at_ < text_.size()) return wrong("a group is closed that was not opened");
    code.push_back({.kind = Instruction::Kind::kMatch, .set = {}, .first = 0, .second = 0});
    return code;
  }

 private:
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} at character {}", what, at_ + 1));
  }
  [[nodiscard]] bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] Result<void> check_size(std::size_t instructions) const {
    if (instructions <= kMaxInstructions) return {};
    return wrong(fmt::format("more than {} steps, with repetitions written out,", kMaxInstructions));
  }

  /// Appends `code`, whose jumps are relative to its own beginning.
  static void append(Code& to, const Code& code) {
    const std::size_t base = to.size();
    for (Instruction instruction : code) {
      instruction.first += base;
      instruction.second += base;
      to.push_back(std::move(instruction));
    }
  }

  Result<Code> alternatives(std::size_t depth) {
    FOVEA_TRY(Code code, sequence(depth));
    while (take('|')) {
      FOVEA_TRY(const Code other, sequence(depth));
      FOVEA_CHECK_OK(check_size(code.size() + other.size() + 2));
      Code both{{.kind = Instruction::Kind::kSplit, .set = {}, .first = 1, .second = code.size() + 2}};
      append(both, code);
      both.push_back({.kind = Instruction::Kind::kJump,
                      .set = {},
                      .first = code.size() + 2 + other.size(),
                      .second = 0});
      append(both, other);
      code = std::move(both);
    }
    return code;
  }

  Result<Code> sequence(std::size_t depth) {
    Code code;
    while (at_ < text_.size() && !next_is('|') && !next_is(')')) {
      FOVEA_TRY(Code item, atom(depth));
      FOVEA_TRY(item, repeated(std::move(item)));
      FOVEA_CHECK_OK(check_size(code.size() + item.size()));
      append(code, item);
    }
    return code;
  }

  Result<Code> atom(std::size_t depth) {
    switch (text_[at_]) {
      case '(':
        return group(depth);
      case '[':
        return bracket();
      case '.':
        ++at_;
        return single(complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
      case '\\': {
        FOVEA_TRY(auto set, escape());
        return single(std::move(set));
      }
      case '^':
      case '$':
        return wrong("an anchor is understood at the expression's ends only, not");
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
        return wrong(fmt::format("\"{}\" has nothing to work on (write \\{} for the sign itself)", text_[at_],
                                 text_[at_]));
      default: {
        FOVEA_TRY(const std::int32_t c, character());
        return single({{c, c}});
      }
    }
  }

  static Code single(std::vector<Range> set) {
    return {{.kind = Instruction::Kind::kSet, .set = std::move(set), .first = 0, .second = 0}};
  }

  Result<std::int32_t> character() {
    std::int32_t c = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text_.data()) + at_,
                                       static_cast<utf8proc_ssize_t>(text_.size() - at_), &c);
    if (size <= 0) return wrong("no valid UTF-8");
    at_ += static_cast<std::size_t>(size);
    return c;
  }

  Result<Code> group(std::size_t depth) {
    if (depth == kMaxDepth) return wrong("groups nested deeper than is allowed");
    ++at_;
    if (take('?') && !take(':'))
      return wrong("of the groups with \"(?\" only (?: ) is understood, not this one");
    FOVEA_TRY(Code code, alternatives(depth + 1));
    if (!take(')')) return wrong("a group is not closed");
    return code;
  }

  /// `\d` and its like, or a sign or control character by its escape.
  Result<std::vector<Range>> escape() {
    ++at_;
    if (at_ == text_.size()) return wrong("nothing follows the backslash");
    const char letter = text_[at_];
    if (auto set = class_escape(letter)) {
      ++at_;
      return *set;
    }
    constexpr std::string_view kControls = "n\nr\rt\tf\fv\v";
    for (std::size_t i = 0; i < kControls.size(); i += 2) {
      if (letter == kControls[i]) {
        ++at_;
        return std::vector<Range>{{kControls[i + 1], kControls[i + 1]}};
      }
    }
    if (is_ascii_letter(letter) || is_ascii_digit(letter)) {
      return wrong(fmt::format("\"\\{}\" is not understood", letter));
    }
    FOVEA_TRY(const std::int32_t c, character());
    return std::vector<Range>{{c, c}};
  }

  /// One member of a bracket: a character, or the set of an escape.
  Result<std::vector<Range>> member() {
    if (next_is('\\')) return escape();
    FOVEA_TRY(const std::int32_t c, character());
    return std::vector<Range>{{c, c}};
  }

  Result<Code> bracket() {
    ++at_;
    const bool negated = take('^');
    std::vector<Range> set;
    while (at_ < text_.size() && !next_is(']')) {
      FOVEA_TRY(auto first, member());
      const bool one = first.size() == 1 && first.front().first == first.front().second;
      if (one && next_is('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        FOVEA_TRY(const auto last, member());
        if (last.size() != 1 || last.front().second < first.front().first)
          return wrong("a range runs backwards");
        first.front().second = last.front().second;
      }
      set.insert(set.end(), first.begin(), first.end());
    }
    if (!take(']')) return wrong("a bracket is not closed");
    if (set.empty()) return wrong("a bracket is empty");
    return single(negated ? complement(std::move(set)) : std::move(set));
  }

  Result<std::uint32_t> count() {
    std::uint32_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && is_ascii_digit(text_[at_]); ++at_) {
      value = std::min(value * 10 + static_cast<std::uint32_t>(text_[at_] - '0'), kMaxRepeat + 1);
    }
    if (at_ == begin) return wrong("a number was expected");
    if (value > kMaxRepeat) return wrong(fmt::format("a number over {}", kMaxRepeat));
    return value;
  }

  Result<Code> repeated(Code item) {
    std::uint32_t least = 0;
    std::optional<std::uint32_t> most;
    if (take('*')) {
    } else if (take('+')) {
      least = 1;
    } else if (take('?')) {
      most = 1;
    } else if (take('{')) {
      FOVEA_TRY(least, count());
      most = least;
      if (take(',')) {
        most.reset();
        if (!next_is('}')) {
          FOVEA_TRY(most, count());
        }
      }
      if (!take('}')) return wrong("a repetition is not closed");
      if (most && *most < least) return wrong("a repetition runs backwards");
    } else {
      return item;
    }
    if (next_is('*') || next_is('+') || next_is('?') || next_is('{'))
      return wrong("a repetition is repeated");
    FOVEA_CHECK_OK(check_size((item.size() + 2) * (std::size_t{most.value_or(least + 1)} + 1)));
    Code code;
    for (std::uint32_t i = 0; i < least; ++i) append(code, item);
    if (!most) {  // split over the item and back
      const std::size_t begin = code.size();
      code.push_back({.kind = Instruction::Kind::kSplit,
                      .set = {},
                      .first = begin + 1,
                      .second = begin + item.size() + 2});
      append(code, item);
      code.push_back({.kind = Instruction::Kind::kJump, .set = {}, .first = begin, .second = 0});
      return code;
    }
    const std::size_t end = code.size() + (*most - least) * (item.size() + 1);
    for (std::uint32_t i = least; i < *most; ++i) {
      code.push_back({.kind = Instruction::Kind::kSplit, .set = {}, .first = code.size() + 1, .second = end});
      append(code, item);
    }
    return code;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// The places of the machine that are alive, each once.
class Threads {
 public:
  explicit Threads(const Code& code) : code_(&code), seen_(code.size(), 0) {}

  void clear() {
    ++round_;
    places_.clear();
    matched_ = false;
  }
  /// Adds a place and all that it leads to without a character.
  void add(std::size_t place) {
    pending_.push_back(place);
    while (!pending_.empty()) {
      const std::size_t at = pending_.back();
      pending_.pop_back();
      if (std::exchange(seen_[at], round_) == round_) continue;
      const Instruction& instruction = (*code_)[at];
      switch (instruction.kind) {
        case Instruction::Kind::kSplit:
          pending_.push_back(instruction.second);
          pending_.push_back(instruction.first);
          break;
        case Instruction::Kind::kJump:
          pending_.push_back(instruction.first);
          break;
        case Instruction::Kind::kSet:
          places_.push_back(at);
          break;
        case Instruction::Kind::kMatch:
          matched_ = true;
          break;
      }
    }
  }
  [[nodiscard]] const std::vector<std::size_t>& places() const { return places_; }
  [[nodiscard]] bool matched() const { return matched_; }

 private:
  const Code* code_;
  std::vector<std::size_t> seen_;  // the round in which a place was added last
  std::size_t round_ = 0;
  std::vector<std::size_t> places_;
  std::vector<std::size_t> pending_;
  bool matched_ = false;
};

bool holds(const std::vector<Range>& set, std::int32_t c) {
  return std::ranges::any_of(set, [c](const Range& range) { return c >= range.first && c <= range.second; });
}

/// The expression without the anchors at its ends.
std::string_view without_anchors(std::string_view expression) {
  if (expression.starts_with('^')) expression.remove_prefix(1);
  if (expression.ends_with('$')) {
    const std::string_view before = expression.substr(0, expression.size() - 1);
    const std::size_t last = before.find_last_not_of('\\');
    const std::size_t backslashes = before.size() - (last == std::string_view::npos ? 0 : last + 1);
    if (backslashes % 2 == 0) return before;
  }
  return expression;
}

}  // namespace

struct Pattern::Program {
  std::string text;
  Code code;
};

Pattern::Pattern(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Result<Pattern> Pattern::compile(std::string_view expression) {
  const std::string_view body = without_anchors(expression);
  FOVEA_TRY(Code code, Compiler(body).compile());
  return Pattern(
      std::make_shared<const Program>(Program{.text = std::string(body), .code = std::move(code)}));
}

const std::string& Pattern::text() const {
  return program_->text;
}

bool Pattern::matches(std::string_view utf8) const {
  const Code& code = program_->code;
  Threads now(code);
  Threads next(code);
  now.clear();
  now.add(0);
  for (std::size_t at = 0; at < utf8.size();) {
    std::int32_t c = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()) + at,
                                       static_cast<utf8proc_ssize_t>(utf8.size() - at), &c);
    if (size <= 0) return false;
    at += static_cast<std::size_t>(size);
    next.clear();
    for (const std::size_t place : now.places()) {
      if (holds(code[place].set, c)) next.add(place + 1);
    }
    std::swap(now, next);
    if (now.places().empty() && at < utf8.size()) return false;
  }
  return now.matched();
}

}  // namespace fovea::tasks
