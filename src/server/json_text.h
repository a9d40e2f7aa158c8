#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace fovea::server {

/// JSON text with a final newline. Bytes that are not UTF-8 become U+FFFD: a file name from outside must not
/// be able to make the answer fail.
inline std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fovea::server
