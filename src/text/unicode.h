#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fovea::text {

/// One step through UTF-8. Where the bytes are not well formed, `value` is U+FFFD and `length` covers the
/// maximal subpart, so that replacing step by step gives what Python's and Rust's lossy decoders give
/// (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts").
struct CodePoint {
  char32_t value;
  std::size_t length;  ///< bytes, at least 1
  bool valid;
};

/// The code point at the start of `text`, which must not be empty.
CodePoint first_code_point(std::string_view text);

/// The code point that ends `text`, which must be well formed and not empty.
char32_t last_code_point(std::string_view text);

void append_utf8(char32_t value, std::string& out);

bool is_valid_utf8(std::string_view bytes);

/// The bytes with every maximal ill-formed part replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view bytes);

/// The distinctions the pre-tokenisers' patterns make: general category L*, general category N*, the
/// White_Space property, everything else (combining marks included).
enum class CharClass { kLetter, kNumber, kSpace, kOther };
CharClass classify(char32_t value);

/// A word character as `\w` of Unicode TS 18 has it: alphabetic, mark, decimal number, connector, joiner.
bool is_word(char32_t value);

/// Normalisation form C of well-formed UTF-8. Linear in the text but for runs of combining marks, which are
/// sorted. Tables: those of the libutf8proc in use (2.8 has Unicode 15.0).
std::string to_nfc(std::string_view text);

}  // namespace fovea::text
