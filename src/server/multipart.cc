#include "server/multipart.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/http.h"

namespace fovea::server {
namespace {

constexpr std::string_view kCrlf = "\r\n";

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("multipart body: {}", what));
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_token_character(char c) {
  return is_alphanumeric(c) || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

bool is_boundary_character(char c) {
  return is_alphanumeric(c) || (c != '\0' && std::string_view("'()+_,-./:=? ").contains(c));
}

std::string_view take_token(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_token_character);
  const auto length = static_cast<std::size_t>(end - text.begin());
  const std::string_view token = text.substr(0, length);
  text.remove_prefix(length);
  return token;
}

/// A quoted string whose opening quote is the next character. A backslash escapes only a quote or another
/// backslash: some browsers send Windows paths with bare backslashes.
Result<std::string> take_quoted(std::string_view& text) {
  std::string value;
  std::size_t i = 1;
  while (i < text.size() && text[i] != '"') {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    value.push_back(text[i++]);
  }
  if (i >= text.size()) return malformed("a quoted value without its closing quote");
  text.remove_prefix(i + 1);
  return value;
}

struct Parameterized {
  std::string value;              ///< what stands before the first semicolon
  std::vector<Field> parameters;  ///< names as sent

  [[nodiscard]] const std::string* parameter(std::string_view name) const {
    const auto found = std::ranges::find_if(
        parameters, [&](const Field& field) { return equal_ignoring_case(field.name, name); });
    return found == parameters.end() ? nullptr : &found->value;
  }
};

/// `value; name=token; name="quoted"`. Errors: kInvalidArgument, also for a parameter given twice.
Result<Parameterized> parse_parameterized(std::string_view text) {
  Parameterized parsed;
  const auto semicolon = text.find(';');
  parsed.value = trim(text.substr(0, semicolon));
  text = semicolon == std::string_view::npos ? std::string_view{} : text.substr(semicolon);
  while (!text.empty()) {
    text = trim(text.substr(1));  // the semicolon
    if (text.empty()) break;      // one at the end does no harm
    const std::string_view name = take_token(text);
    text = trim(text);
    if (name.empty() || !text.starts_with('=')) return malformed("a header parameter that is not name=value");
    text = trim(text.substr(1));
    std::string value;
    if (text.starts_with('"')) {
      FOVEA_TRY(value, take_quoted(text));
    } else {
      const auto end = std::min(text.find(';'), text.size());
      value = trim(text.substr(0, end));
      text.remove_prefix(end);
    }
    text = trim(text);
    if (!text.empty() && text[0] != ';') return malformed("text after a header parameter's value");
    if (parsed.parameter(name) != nullptr) return malformed("a header parameter that is given twice");
    parsed.parameters.push_back({std::string(name), std::move(value)});
  }
  return parsed;
}

std::string latin1_to_utf8(std::string_view text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8.push_back(c);
    } else {
      utf8.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      utf8.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return utf8;
}

/// RFC 5987 `charset'language'percent-encoded`.
Result<std::string> decode_extended(std::string_view value) {
  const auto first = value.find('\'');
  const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  if (second == std::string_view::npos) return malformed("a filename* that is not charset'language'text");
  const std::string_view charset = value.substr(0, first);
  auto decoded = percent_decode(value.substr(second + 1), false);
  if (!decoded) return malformed("a filename* with a broken percent escape");
  if (equal_ignoring_case(charset, "utf-8")) return std::move(*decoded);
  if (equal_ignoring_case(charset, "iso-8859-1")) return latin1_to_utf8(*decoded);
  return malformed("a filename* whose charset is neither UTF-8 nor ISO-8859-1");
}

/// Browsers and newer curl send a quote inside a name as %22.
std::string decode_percent_quotes(std::string_view text) {
  std::string decoded;
  while (true) {
    const auto at = text.find("%22");
    decoded += text.substr(0, at);
    if (at == std::string_view::npos) return decoded;
    decoded.push_back('"');
    text.remove_prefix(at + 3);
  }
}

std::string last_path_component(std::string_view path) {
  const auto slash = path.find_last_of("/\\");
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

Result<void> read_disposition(std::string_view value, Part& part) {
  FOVEA_TRY(const Parameterized disposition, parse_parameterized(value));
  if (!equal_ignoring_case(disposition.value, "form-data")) {
    return malformed("a part whose Content-Disposition is not form-data");
  }
  const std::string* name = disposition.parameter("name");
  if (name == nullptr) return malformed("a part without a name");
  part.name = decode_percent_quotes(*name);
  if (const std::string* extended = disposition.parameter("filename*")) {
    FOVEA_TRY(const std::string decoded, decode_extended(*extended));
    part.filename = last_path_component(decoded);
  } else if (const std::string* plain = disposition.parameter("filename")) {
    part.filename = last_path_component(decode_percent_quotes(*plain));
  }
  return {};
}

/// Reads a part's header lines, each ended by CRLF.
Result<Part> read_headers(std::string_view lines) {
  Part part;
  bool has_disposition = false;
  while (!lines.empty()) {
    const auto end = lines.find(kCrlf);
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + kCrlf.size());
    const std::string_view name = take_token(line);
    if (name.empty() || !line.starts_with(':'))
      return malformed("a part's header line that is not name: value");
    const std::string_view value = trim(line.substr(1));
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return malformed("a control character in a part's header");
    }
    if (equal_ignoring_case(name, "content-disposition")) {
      if (std::exchange(has_disposition, true))
        return malformed("a part with two Content-Disposition headers");
      FOVEA_CHECK_OK(read_disposition(value, part));
    } else if (equal_ignoring_case(name, "content-type")) {
      part.content_type = value;
    } else if (equal_ignoring_case(name, "content-transfer-encoding")) {
      // Taking encoded bytes as the file itself would read as a damaged image: say what is wrong instead.
      const bool is_plain = std::ranges::any_of(
          std::initializer_list<std::string_view>{"binary", "8bit", "7bit"},
          [&](std::string_view encoding) { return equal_ignoring_case(value, encoding); });
      if (!is_plain)
        return malformed("a Content-Transfer-Encoding other than binary; send the bytes as they are");
    }
  }
  if (!has_disposition) return malformed("a part without Content-Disposition");
  return part;
}

/// A delimiter line: where the part before it ends, and where what follows the line begins.
struct Delimiter {
  std::size_t begin = 0;  ///< of the CRLF that belongs to the delimiter (or of the body's first byte)
  std::size_t end = 0;    ///< one past the CRLF that ends the line
  bool closes = false;    ///< the final one, with two dashes after the boundary
};

/// Reads the delimiter line whose boundary ends at `end`; nothing when other text follows on the line, which
/// makes it content that happens to begin like the boundary.
std::optional<Delimiter> read_delimiter(std::string_view body, std::size_t begin, std::size_t end) {
  if (body.substr(end).starts_with("--")) return Delimiter{.begin = begin, .end = end + 2, .closes = true};
  while (end < body.size() && (body[end] == ' ' || body[end] == '\t')) ++end;
  if (!body.substr(end).starts_with(kCrlf)) return std::nullopt;
  return Delimiter{.begin = begin, .end = end + kCrlf.size(), .closes = false};
}

/// The next delimiter that starts at or after `from`. `dashes` is "--" + boundary.
std::optional<Delimiter> find_delimiter(std::string_view body, std::string_view dashes, std::size_t from) {
  if (from == 0 && body.starts_with(dashes)) {
    if (const auto first = read_delimiter(body, 0, dashes.size())) return first;
  }
  // With the CRLF in what is searched for, and none possible in a boundary, the search is linear in the body
  // whatever the body is made of.
  const std::string line_start = std::string(kCrlf) + std::string(dashes);
  for (auto at = body.find(line_start, from); at != std::string_view::npos;
       at = body.find(line_start, at + 1)) {
    if (const auto found = read_delimiter(body, at, at + line_start.size())) return found;
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
  FOVEA_TRY(const Parameterized parsed, parse_parameterized(content_type));
  const std::string* boundary = parsed.parameter("boundary");
  if (boundary == nullptr) return malformed("the Content-Type has no boundary");
  if (boundary->empty() || boundary->size() > 70 || boundary->back() == ' ' ||
      !std::ranges::all_of(*boundary, is_boundary_character)) {
    return malformed("the boundary must be 1 to 70 of the characters that RFC 2046 allows");
  }
  return *boundary;
}

Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary,
                                          const MultipartLimits& limits) {
  const std::string dashes = "--" + std::string(boundary);
  auto delimiter = find_delimiter(body, dashes, 0);
  if (!delimiter) return malformed("the boundary named in the Content-Type does not occur");
  std::vector<Part> parts;
  while (!delimiter->closes) {
    if (parts.size() == limits.max_parts)
      return malformed(fmt::format("more than {} parts", limits.max_parts));
    // The headers end at an empty line; a part may have none, and then starts with that line.
    const std::size_t begin = delimiter->end;
    const std::string_view window = body.substr(begin, limits.max_header_bytes);
    std::size_t header_size = 0;
    if (!window.starts_with(kCrlf)) {
      const auto blank = window.find("\r\n\r\n");
      if (blank == std::string_view::npos) {
        return malformed(
            fmt::format("a part whose headers do not end within {} bytes", limits.max_header_bytes));
      }
      header_size = blank + kCrlf.size();
    }
    FOVEA_TRY(Part part, read_headers(window.substr(0, header_size)));
    const std::size_t content = begin + header_size + kCrlf.size();
    // The search starts at the empty line's CRLF, which may double as the delimiter's: the part is then
    // empty.
    const auto next = find_delimiter(body, dashes, content - kCrlf.size());
    if (!next) return malformed("it ends before the closing boundary: the upload is incomplete");
    part.body = next->begin < content ? std::string_view{} : body.substr(content, next->begin - content);
    parts.push_back(std::move(part));
    delimiter = next;
  }
  return parts;
}

}  // namespace fovea::server
