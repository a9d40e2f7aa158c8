#include "text/byte_symbols.h"

#include <array>
#include <cstdint>

#include "text/unicode.h"

namespace fovea::text {
namespace {

constexpr std::size_t kFirstUnused = 0x144;  // 0x100 + 68

struct Table {
  std::array<std::string, 256> symbols;
  std::array<std::int16_t, kFirstUnused> bytes;  // -1 where no byte has this character

  Table() {
    bytes.fill(-1);
    char32_t substitute = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool itself =
          (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
      const char32_t character = itself ? byte : substitute++;
      append_utf8(character, symbols[byte]);
      bytes[character] = static_cast<std::int16_t>(byte);
    }
  }
};

const Table& table() {
  static const Table instance;
  return instance;
}

}  // namespace

std::string_view byte_symbol(unsigned char byte) {
  return table().symbols[byte];
}

std::string token_text(std::string_view token) {
  std::string bytes;
  for (std::string_view rest = token; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    const int byte = point.value < kFirstUnused ? table().bytes[point.value] : -1;
    if (byte < 0) return std::string(token);
    bytes.push_back(static_cast<char>(byte));
    rest.remove_prefix(point.length);
  }
  return bytes;
}

}  // namespace fovea::text
