#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "server/http.h"

namespace fovea::server {

/// JSON text without a final newline. Bytes that are not UTF-8 become U+FFFD: a file name from outside must
/// not be able to make the answer fail.
inline std::string compact_json(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// The same with a final newline, as bodies have it.
inline std::string json_text(const nlohmann::ordered_json& value) {
  return compact_json(value) + "\n";
}

/// An answer that nobody between here and the caller should keep.
inline HttpResponse json_response(const nlohmann::ordered_json& value) {
  return {.status = 200, .body = json_text(value), .headers = {{"Cache-Control", "no-store"}}};
}

/// Adds members to an answer whose body is a JSON object made here.
inline void add_members(HttpResponse& response, const nlohmann::ordered_json& members) {
  auto document = nlohmann::ordered_json::parse(response.body);
  document.update(members);
  response.body = json_text(document);
}

}  // namespace fovea::server
