#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/shorten.h"

namespace fovea::tasks {

/// A text from outside as a message quotes it: at most `max_bytes` of it, as JSON writes it.
inline std::string quote(std::string_view text, std::size_t max_bytes = 60) {
  return nlohmann::json(shorten(text, max_bytes))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace fovea::tasks
