#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea {

/// Decodes standard base64 (RFC 4648, 4) and nothing near it: no white space, no missing or surplus padding,
/// no bits set that no byte takes. Errors: kInvalidArgument, saying where; kTooLarge over `max_bytes`
/// decoded.
Result<std::vector<std::byte>> decode_base64(std::string_view text, std::size_t max_bytes);

}  // namespace fovea
