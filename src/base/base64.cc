#include "base/base64.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace fovea {
namespace {

constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}

constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

std::uint32_t digit_at(std::string_view text, std::size_t at) {
  return kDigits[static_cast<unsigned char>(text[at])];
}

std::unexpected<Error> not_base64(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && digit_at(text, at) != kNoDigit) ++at;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("not base64: at byte {}: a character that does not belong there", at + 1));
}

}  // namespace

Result<std::vector<std::byte>> decode_base64(std::string_view text, std::size_t max_bytes) {
  if (text.size() % 4 != 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("not base64: {} characters, which is no multiple of four", text.size()));
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t size = text.size() / 4 * 3 - padding;
  if (size > max_bytes) {
    return fail(ErrorCode::kTooLarge, fmt::format("{} bytes, over the limit of {}", size, max_bytes));
  }
  std::vector<std::byte> bytes(size);
  std::byte* out = bytes.data();
  const std::size_t whole = padding == 0 ? text.size() : text.size() - 4;
  for (std::size_t at = 0; at < whole; at += 4) {
    const std::uint32_t a = digit_at(text, at), b = digit_at(text, at + 1), c = digit_at(text, at + 2),
                        d = digit_at(text, at + 3);
    if ((a | b | c | d) == kNoDigit) return not_base64(text);  // digits have six bits
    const std::uint32_t word = a << 18 | b << 12 | c << 6 | d;
    *out++ = static_cast<std::byte>(word >> 16);
    *out++ = static_cast<std::byte>(word >> 8);
    *out++ = static_cast<std::byte>(word);
  }
  if (padding == 0) return bytes;
  const std::uint32_t a = digit_at(text, whole), b = digit_at(text, whole + 1);
  const std::uint32_t c = padding == 1 ? digit_at(text, whole + 2) : 0;
  if ((a | b | c) == kNoDigit) return not_base64(text);
  const std::uint32_t word = a << 18 | b << 12 | c << 6;
  if ((word & (padding == 1 ? 0xffU : 0xffffU)) != 0) {
    return fail(ErrorCode::kInvalidArgument,
                "not base64: its last character has bits that belong to no byte");
  }
  *out++ = static_cast<std::byte>(word >> 16);
  if (padding == 1) *out = static_cast<std::byte>(word >> 8);
  return bytes;
}

}  // namespace fovea
