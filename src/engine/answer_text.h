#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::engine {

/// The text of an answer as its tokens come: what of it may be shown already, and whether a stop text ended
/// it. A token may hold a part of a character, and the beginning of a stop text may turn out to be none: both
/// are held back until they are decided.
class AnswerText {
 public:
  explicit AnswerText(std::vector<std::string> stops);

  /// Adds the bytes of a token; returns what is new and decided, whole UTF-8 characters.
  std::string append(std::string_view bytes);
  /// What was held back, at the end of an answer that no stop text ended.
  std::string finish();

  /// A stop text appeared. Nothing after its beginning is ever returned.
  [[nodiscard]] bool stopped() const { return stopped_; }
  /// The answer's bytes up to a stop text; after finish(), all that was returned.
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string release(std::size_t end);

  std::vector<std::string> stops_;
  std::size_t longest_stop_ = 0;
  std::string bytes_;
  std::size_t released_ = 0;
  bool stopped_ = false;
};

}  // namespace fovea::engine
