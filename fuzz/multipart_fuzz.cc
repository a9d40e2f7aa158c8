// The multipart parser on arbitrary bytes. The first line is a Content-Type value, the rest the body. What is
// accepted must lie within the body, and must come back equal when it is put together again as one clean
// form.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "server/http.h"
#include "server/multipart.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_within(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> not_after;
  return part.empty() || (not_after(whole.data(), part.data()) &&
                          not_after(part.data() + part.size(), whole.data() + whole.size()));
}

/// A quoted string that the parser reads as `text`.
std::string quoted(std::string_view text) {
  std::string value = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') value.push_back('\\');
    value.push_back(c);
  }
  return value.append("\"");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view content_type = input.substr(0, input.find('\n'));
  const std::string_view body = input.substr(std::min(content_type.size() + 1, input.size()));
  const auto boundary = fovea::server::multipart_boundary(content_type);
  if (!boundary) return 0;
  const auto parts = fovea::server::parse_multipart(body, *boundary);
  if (!parts) {
    require(parts.error().code == fovea::ErrorCode::kInvalidArgument);
    return 0;
  }
  std::string clean;
  for (const auto& part : *parts) {
    require(lies_within(part.body, body));
    require(!part.filename || part.filename->find_first_of("/\\") == std::string::npos);
    clean.append("--")
        .append(*boundary)
        .append("\r\nContent-Disposition: form-data; name=")
        .append(quoted(part.name));
    clean.append("\r\nContent-Type: ")
        .append(part.content_type)
        .append("\r\n\r\n")
        .append(part.body)
        .append("\r\n");
  }
  clean.append("--").append(*boundary).append("--\r\n");
  const auto again =
      fovea::server::parse_multipart(clean, *boundary, {.max_parts = 32, .max_header_bytes = 65536});
  require(again && again->size() == parts->size());
  for (std::size_t i = 0; i < parts->size(); ++i) {
    require((*again)[i].body == (*parts)[i].body);
    require((*again)[i].content_type == (*parts)[i].content_type);
    // %22 is read as a quote, so a name that holds it after one decoding loses it in the next.
    require((*again)[i].name == (*parts)[i].name || (*parts)[i].name.find("%22") != std::string::npos);
  }
  return 0;
}
