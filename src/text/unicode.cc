#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace fovea::text {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Canonical decomposition and composition that respects the exclusions: form C. The options are a bit set,
// which the analyser does not see in the C enumeration.
// NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
const auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

int combining_class(utf8proc_int32_t c) {
  return utf8proc_get_property(c)->combining_class;
}

/// Canonical ordering. utf8proc's own is a sort by exchange of neighbours, quadratic in the length of a run
/// of marks, which a caller chooses.
void order_marks(std::vector<utf8proc_int32_t>& points) {
  struct Mark {
    int combining_class;
    std::size_t position;  // marks of one class keep their order
    utf8proc_int32_t point;
  };
  std::vector<Mark> run;
  for (std::size_t i = 0; i <= points.size(); ++i) {
    const int mark_class = i < points.size() ? combining_class(points[i]) : 0;
    if (mark_class != 0) {
      run.push_back({mark_class, i, points[i]});
    } else if (!run.empty()) {
      std::ranges::sort(run, {},
                        [](const Mark& mark) { return std::pair(mark.combining_class, mark.position); });
      for (std::size_t k = 0; k < run.size(); ++k) points[i - run.size() + k] = run[k].point;
      run.clear();
    }
  }
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const std::uint8_t lead = byte_at(text, 0);
  if (lead < 0x80) return {lead, 1, true};
  std::size_t more = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    more = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    more = 2;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    more = 3;
  } else {
    return {kReplacement, 1, false};
  }
  char32_t value = lead & (0x3F >> more);
  // The second byte's range excludes overlong forms, surrogates and values over U+10FFFF.
  std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i <= more; ++i) {
    if (i >= text.size() || byte_at(text, i) < low || byte_at(text, i) > high)
      return {kReplacement, i, false};
    value = (value << 6) | (byte_at(text, i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {value, more + 1, true};
}

char32_t last_code_point(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (byte_at(text, begin) & 0xC0) == 0x80) --begin;
  return first_code_point(text.substr(begin)).value;
}

void append_utf8(char32_t value, std::string& out) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length));
}

bool is_valid_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const CodePoint point = first_code_point(bytes);
    if (!point.valid) return false;
    bytes.remove_prefix(point.length);
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const CodePoint point = first_code_point(bytes);
    if (point.valid) {
      out.append(bytes.substr(0, point.length));
    } else {
      append_utf8(kReplacement, out);
    }
    bytes.remove_prefix(point.length);
  }
  return out;
}

CharClass classify(char32_t value) {
  if (is_white_space(value)) return CharClass::kSpace;
  switch (category(value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    default:
      return CharClass::kOther;
  }
}

bool is_word(char32_t value) {
  switch (category(value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      break;
  }
  // Join_Control, and the symbols that are alphabetic: circled and squared Latin letters.
  return value == 0x200C || value == 0x200D || (value >= 0x24B6 && value <= 0x24E9) ||
         (value >= 0x1F130 && value <= 0x1F149) || (value >= 0x1F150 && value <= 0x1F169) ||
         (value >= 0x1F170 && value <= 0x1F189);
}

std::string to_nfc(std::string_view text) {
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  bool may_change = false;
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    may_change = may_change || point.value >= 0x300;  // everything below is in form C already
    std::array<utf8proc_int32_t, 8> parts{};          // the longest canonical decomposition has 4 code points
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(point.value), parts.data(),
                                               parts.size(), kCompose, nullptr);
    points.insert(points.end(), parts.begin(), parts.begin() + count);
    rest.remove_prefix(point.length);
  }
  if (!may_change) return std::string(text);
  order_marks(points);
  const auto count =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), kCompose);
  std::string out;
  out.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < count; ++i) append_utf8(static_cast<char32_t>(points[i]), out);
  return out;
}

}  // namespace fovea::text
