#include "tasks/normalise.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "base/ascii.h"

namespace fovea::tasks {
namespace {

/// Calls `each(code_point, bytes)` for every character; a byte that is no UTF-8 comes alone, as -1.
template <class Each>
void for_each_character(std::string_view text, Each each) {
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t code_point = -1;
    const auto size =
        utf8proc_iterate(data + at, static_cast<utf8proc_ssize_t>(text.size() - at), &code_point);
    const std::size_t taken = size > 0 ? static_cast<std::size_t>(size) : 1;
    each(size > 0 ? code_point : -1, text.substr(at, taken));
    at += taken;
  }
}

bool is_space(utf8proc_int32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string trim(std::string_view text) {
  std::size_t begin = text.size();
  std::size_t end = 0;
  std::size_t at = 0;
  for_each_character(text, [&](utf8proc_int32_t c, std::string_view bytes) {
    if (!is_space(c)) {
      begin = std::min(begin, at);
      end = at + bytes.size();
    }
    at += bytes.size();
  });
  return begin < end ? std::string(text.substr(begin, end - begin)) : std::string();
}

std::string collapse_spaces(std::string_view text) {
  std::string result;
  bool in_space = false;
  for_each_character(text, [&](utf8proc_int32_t c, std::string_view bytes) {
    if (!is_space(c)) result += bytes;
    if (is_space(c) && !in_space) result += ' ';
    in_space = is_space(c);
  });
  return result;
}

/// The text with each of these characters replaced.
std::string replace_each(std::string_view text, std::span<const std::pair<utf8proc_int32_t, char>> table) {
  std::string result;
  for_each_character(text, [&](utf8proc_int32_t c, std::string_view bytes) {
    const auto found = std::ranges::find(table, c, &std::pair<utf8proc_int32_t, char>::first);
    if (found != table.end()) {
      result += found->second;
    } else {
      result += bytes;
    }
  });
  return result;
}

std::string unify_dashes(std::string_view text) {
  // Hyphens, dashes of every length, the minus sign, and their small and full-width forms.
  static constexpr std::array<std::pair<utf8proc_int32_t, char>, 10> kDashes{{{0x2010, '-'},
                                                                              {0x2011, '-'},
                                                                              {0x2012, '-'},
                                                                              {0x2013, '-'},
                                                                              {0x2014, '-'},
                                                                              {0x2015, '-'},
                                                                              {0x2212, '-'},
                                                                              {0xFE58, '-'},
                                                                              {0xFE63, '-'},
                                                                              {0xFF0D, '-'}}};
  return replace_each(text, kDashes);
}

std::string unify_quotes(std::string_view text) {
  // Typographic quotes, primes, the grave and the acute accent that are typed for an apostrophe.
  static constexpr std::array<std::pair<utf8proc_int32_t, char>, 15> kQuotes{{{0x2018, '\''},
                                                                              {0x2019, '\''},
                                                                              {0x201A, '\''},
                                                                              {0x201B, '\''},
                                                                              {0x2032, '\''},
                                                                              {0x02BC, '\''},
                                                                              {0xFF07, '\''},
                                                                              {0x0060, '\''},
                                                                              {0x00B4, '\''},
                                                                              {0x201C, '"'},
                                                                              {0x201D, '"'},
                                                                              {0x201E, '"'},
                                                                              {0x201F, '"'},
                                                                              {0x2033, '"'},
                                                                              {0xFF02, '"'}}};
  return replace_each(text, kQuotes);
}

std::string map_characters(std::string_view text, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
  std::string result;
  for_each_character(text, [&](utf8proc_int32_t c, std::string_view bytes) {
    std::array<utf8proc_uint8_t, 4> encoded{};
    const auto size = c < 0 ? 0 : utf8proc_encode_char(map(c), encoded.data());
    if (size > 0) {
      result.append(reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size));
    } else {
      result += bytes;
    }
  });
  return result;
}

std::string upper(std::string_view text) {
  return map_characters(text, utf8proc_toupper);
}

std::string lower(std::string_view text) {
  return map_characters(text, utf8proc_tolower);
}

/// utf8proc's mapping of a whole text; what is not UTF-8 stays as it is.
std::string mapped(std::string_view text, int options) {
  utf8proc_uint8_t* made = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &made,
                                 static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, std::free);
  if (size < 0) return std::string(text);
  return {reinterpret_cast<const char*>(made), static_cast<std::size_t>(size)};
}

std::string compose(std::string_view text) {
  return mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

std::string strip_accents(std::string_view text) {
  return mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_STRIPMARK);
}

std::string canonical_collector_number(std::string_view text) {
  if (const auto number = parse_collector_number(text)) {
    std::string result = fmt::format("{}{}{}", number->prefix, number->number, number->suffix);
    if (number->total) result += fmt::format("/{}{}", number->total_prefix, *number->total);
    return result;
  }
  return upper(trim(collapse_spaces(unify_dashes(text))));
}

constexpr std::array<Normaliser, 9> kNormalisers{{
    {"trim", "takes white space off both ends", true, trim},
    {"collapse_spaces", "makes one space of every run of white space", true, collapse_spaces},
    {"unify_dashes", "makes a hyphen of every dash and minus sign", false, unify_dashes},
    {"unify_quotes", "makes straight quotes of typographic ones", false, unify_quotes},
    {"upper", "capitals", false, upper},
    {"lower", "small letters", false, lower},
    {"compose", "Unicode's composed form (NFC)", false, compose},
    {"strip_accents", "takes accents and other marks off letters", false, strip_accents},
    {"collector_number", "\"004/102\" becomes \"4/102\", \"swsh-001\" becomes \"SWSH1\"", false,
     canonical_collector_number},
}};

/// The letters, then the digits, that a text begins with; both are taken off it.
std::string take_letters(std::string_view& text) {
  std::string letters;
  while (!text.empty() && is_ascii_letter(text.front())) {
    letters += ascii_upper(text.front());
    text.remove_prefix(1);
  }
  return letters;
}

std::optional<std::uint32_t> take_digits(std::string_view& text) {
  constexpr std::size_t kMostDigits = 6;
  std::uint32_t value = 0;
  std::size_t digits = 0;
  for (; !text.empty() && is_ascii_digit(text.front()); ++digits, text.remove_prefix(1)) {
    if (digits == kMostDigits) return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(text.front() - '0');
  }
  return digits == 0 ? std::nullopt : std::optional(value);
}

void skip(std::string_view& text, char c) {
  while (!text.empty() && text.front() == c) text.remove_prefix(1);
}

}  // namespace

std::span<const Normaliser> normalisers() {
  return kNormalisers;
}

const Normaliser* find_normaliser(std::string_view name) {
  const auto* found = std::ranges::find(kNormalisers, name, &Normaliser::name);
  return found == kNormalisers.end() ? nullptr : found;
}

std::string normalise(std::string_view text, std::span<const std::string> names) {
  std::string result(text);
  for (const std::string& name : names) {
    if (const Normaliser* normaliser = find_normaliser(name)) result = normaliser->apply(result);
  }
  return result;
}

std::optional<std::string> canonical(const Field& field, const nlohmann::ordered_json& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return normalise(value.get_ref<const std::string&>(), field.normalise);
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::ordered_json clean_fields(const Task& task, nlohmann::ordered_json fields) {
  for (const Field& field : task.fields) {
    const auto found = fields.find(field.name);
    if (found == fields.end() || !found->is_string()) continue;
    *found = normalise(found->get_ref<const std::string&>(), field.clean);
  }
  return fields;
}

std::optional<CollectorNumber> parse_collector_number(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  constexpr std::size_t kMostLetters = 8;
  constexpr std::size_t kMostSuffix = 2;
  if (text.size() > kLongest) return std::nullopt;
  const std::string cleaned = trim(unify_dashes(text));
  std::string_view rest = cleaned;
  if (rest.starts_with('#')) rest.remove_prefix(1);

  CollectorNumber result;
  result.prefix = take_letters(rest);
  if (!result.prefix.empty() && (rest.starts_with('-') || rest.starts_with(' '))) rest.remove_prefix(1);
  const auto number = take_digits(rest);
  if (!number) return std::nullopt;
  result.number = *number;
  result.suffix = take_letters(rest);
  if (result.prefix.size() > kMostLetters || result.suffix.size() > kMostSuffix) return std::nullopt;

  skip(rest, ' ');
  if (rest.empty()) return result;
  if (rest.front() != '/') return std::nullopt;
  rest.remove_prefix(1);
  skip(rest, ' ');
  result.total_prefix = take_letters(rest);
  result.total = take_digits(rest);
  if (!result.total || !rest.empty() || result.total_prefix.size() > kMostLetters) return std::nullopt;
  return result;
}

}  // namespace fovea::tasks
