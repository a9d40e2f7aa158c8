#pragma once

#include <string>
#include <string_view>

namespace fovea::text {

/// A byte-level vocabulary spells each of the 256 bytes as one printable character (the table of GPT-2):
/// 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves, the other 68 bytes, in order, are U+0100 onwards.
/// This is that character in UTF-8.
std::string_view byte_symbol(unsigned char byte);

/// The bytes that a token of the file stands for. A token with a character outside the table stands for its
/// own UTF-8 text, as in the reference's ByteLevel decoder.
std::string token_text(std::string_view token);

}  // namespace fovea::text
