#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fovea::tasks {

/// A regular expression for the whole of a text: characters, `.`, classes `[a-z]` and `[^a-z]`, `\d \w \s`
/// and their opposites, escaped signs, groups `( )` and `(?: )`, `|`, `* + ? {n} {n,} {n,m}`. `^` at the
/// beginning and `$` at the end may be written; they change nothing.
///
/// Matching takes time by the product of both lengths and never backtracks, after Thompson (1968). Immutable;
/// copies share what was compiled.
class Pattern {
 public:
  /// Errors (kInvalidArgument): where in the expression what is not understood stands, or that it is too
  /// large (repetitions are written out).
  static Result<Pattern> compile(std::string_view expression);

  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] bool matches(std::string_view utf8) const;

 private:
  struct Program;
  explicit Pattern(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;
};

}  // namespace fovea::tasks
