#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fovea {

/// A text from outside as a message shows it: at most `max_bytes` of it, cut between characters of UTF-8,
/// with an ellipsis where something was cut.
inline std::string shorten(std::string_view text, std::size_t max_bytes = 80) {
  if (text.size() <= max_bytes) return std::string(text);
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace fovea
