#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea::server {

struct MultipartLimits {
  std::size_t max_parts = 32;
  std::size_t max_header_bytes = 8192;  ///< of one part, its empty line included
};

/// One part of a multipart/form-data body (RFC 7578).
struct Part {
  std::string name;
  std::optional<std::string> filename;  ///< last path component; from `filename*` where both are given
  std::string content_type;             ///< empty: not given
  std::string_view body;                ///< a view into the text that was parsed
};

/// The boundary out of a Content-Type header's value, plain or quoted. Errors: kInvalidArgument (missing,
/// longer than 70 characters, or with characters that RFC 2046 does not allow).
Result<std::string> multipart_boundary(std::string_view content_type);

/// Splits `body` at `boundary`. Text before the first and after the last delimiter is skipped; lines end with
/// CRLF. File names are understood as browsers, curl, Python and Node write them (backslash escapes, %22, and
/// RFC 5987 `filename*` in UTF-8 or ISO-8859-1). Errors: kInvalidArgument (which says what is malformed).
Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary,
                                          const MultipartLimits& limits = {});

}  // namespace fovea::server
