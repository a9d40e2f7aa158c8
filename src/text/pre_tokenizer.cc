#include "text/pre_tokenizer.h"

#include <array>
#include <cstddef>
#include <string>

#include "text/unicode.h"

namespace fovea::text {
namespace {

/// Class of the code point at `at`, which may be the end: then kSpace, which no run of a word continues with.
CharClass class_at(std::string_view text, std::size_t at) {
  return at < text.size() ? classify(first_code_point(text.substr(at)).value) : CharClass::kSpace;
}

/// End of the run of code points from `at` that satisfy `belongs`.
template <class Predicate>
std::size_t run_end(std::string_view text, std::size_t at, Predicate belongs) {
  while (at < text.size()) {
    const CodePoint point = first_code_point(text.substr(at));
    if (!belongs(point.value)) break;
    at += point.length;
  }
  return at;
}

std::size_t class_run_end(std::string_view text, std::size_t at, CharClass wanted) {
  return run_end(text, at, [wanted](char32_t c) { return classify(c) == wanted; });
}

bool is_newline(char32_t c) {
  return c == '\r' || c == '\n';
}

/// Length of the contraction ('s, 't, 're, 've, 'm, 'll, 'd) that `text` starts with, or 0.
std::size_t contraction_length(std::string_view text) {
  constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (const std::string_view contraction : kContractions) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  return 0;
}

/// The same whatever the case. By simple case folding U+017F (long s) is an s; nothing else outside ASCII
/// folds to these letters.
std::size_t folded_contraction_length(std::string_view text) {
  if (!text.starts_with('\'')) return 0;
  if (text.substr(1).starts_with("\u017F")) return 1 + std::string_view("\u017F").size();
  std::string folded(text.substr(0, 3));
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return contraction_length(folded);
}

/// The patterns' last alternatives, for a text that starts with a run of whitespace: the whole run where it
/// ends the text; otherwise its last character is left over for what follows, unless it is the only one.
std::size_t whitespace_length(std::string_view text) {
  std::size_t end = 0;
  std::size_t last = 0;
  while (end < text.size()) {
    const CodePoint point = first_code_point(text.substr(end));
    if (classify(point.value) != CharClass::kSpace) return last > 0 ? last : end;
    last = end;
    end += point.length;
  }
  return end;
}

std::size_t gpt2_length(std::string_view text) {
  if (const std::size_t length = contraction_length(text); length > 0) return length;
  const std::size_t begin = text.starts_with(' ') ? 1 : 0;
  const CharClass kind = class_at(text, begin);
  if (kind != CharClass::kSpace) return class_run_end(text, begin, kind);
  return whitespace_length(text);
}

std::size_t qwen2_length(std::string_view text) {
  if (const std::size_t length = folded_contraction_length(text); length > 0) return length;
  const CodePoint first = first_code_point(text);
  const CharClass kind = classify(first.value);
  if (kind == CharClass::kLetter) return class_run_end(text, 0, CharClass::kLetter);
  if (kind == CharClass::kNumber) return first.length;
  if (!is_newline(first.value) && class_at(text, first.length) == CharClass::kLetter) {
    return class_run_end(text, first.length, CharClass::kLetter);
  }
  const std::size_t begin = first.value == ' ' ? 1 : 0;
  if (class_at(text, begin) == CharClass::kOther) {
    return run_end(text, class_run_end(text, begin, CharClass::kOther), is_newline);
  }
  // Whitespace up to the run's last newline goes together.
  const std::string_view run = text.substr(0, class_run_end(text, 0, CharClass::kSpace));
  if (const std::size_t newline = run.find_last_of("\r\n"); newline != std::string_view::npos)
    return newline + 1;
  return whitespace_length(text);
}

/// Length of the first piece of a text that is not empty.
std::size_t piece_length(Splitter splitter, std::string_view text) {
  const auto is_number = [](char32_t c) { return classify(c) == CharClass::kNumber; };
  const auto is_no_number = [](char32_t c) { return classify(c) != CharClass::kNumber; };
  switch (splitter) {
    case Splitter::kDigits:
    case Splitter::kDigitRuns: {
      const CodePoint first = first_code_point(text);
      if (!is_number(first.value)) return run_end(text, first.length, is_no_number);
      return splitter == Splitter::kDigits ? first.length : run_end(text, first.length, is_number);
    }
    case Splitter::kGpt2:
      return gpt2_length(text);
    case Splitter::kQwen2:
      return qwen2_length(text);
  }
  return text.size();
}

}  // namespace

void PreTokenizer::split(std::string_view segment,
                         const std::function<void(std::string_view)>& on_piece) const {
  apply(0, segment, on_piece);
}

void PreTokenizer::apply(std::size_t stage, std::string_view text,
                         const std::function<void(std::string_view)>& on_piece) const {
  if (stage == stages_.splitters.size()) {
    byte_level(text, on_piece);
    return;
  }
  while (!text.empty()) {
    const std::size_t length = piece_length(stages_.splitters[stage], text);
    apply(stage + 1, text.substr(0, length), on_piece);
    text.remove_prefix(length);
  }
}

void PreTokenizer::byte_level(std::string_view text,
                              const std::function<void(std::string_view)>& on_piece) const {
  if (text.empty()) return;
  std::string prefixed;
  if (stages_.add_prefix_space && !text.starts_with(' ')) {
    prefixed.append(1, ' ').append(text);
    text = prefixed;
  }
  if (!stages_.byte_level_splits) {
    on_piece(text);
    return;
  }
  while (!text.empty()) {
    const std::size_t length = piece_length(Splitter::kGpt2, text);
    on_piece(text.substr(0, length));
    text.remove_prefix(length);
  }
}

}  // namespace fovea::text
