#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"

namespace fovea {

/// Limits for JSON that comes from outside the process.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{256} << 20;
  std::size_t max_depth = 64;  ///< nesting of arrays and objects
};

/// Parses JSON from outside: refuses malformed text, invalid UTF-8, nesting deeper than `max_depth`, a key
/// that stands twice in one object, and text after the value. `source` (a file name, "request body") starts
/// the error's message. Errors: kInvalidJson, kTooLarge.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view source,
                                  const JsonLimits& limits = {});

/// The same, with the members of objects in the order of the text: for a schema, whose order is the answer's.
Result<nlohmann::ordered_json> parse_ordered_json(std::string_view text, std::string_view source,
                                                  const JsonLimits& limits = {});

/// Reads and parses a file. Errors: as parse_json, kNotFound, kIo.
Result<nlohmann::json> read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

}  // namespace fovea
