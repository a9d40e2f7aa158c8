#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "grammar/grammar.h"

namespace fovea::grammar {

/// A string as an answer spells it, with its quotes: `"`, `\` and control characters escaped, in the shortest
/// way, everything else as it is. The one spelling that JSON.stringify also has.
std::string json_quoted(std::string_view text);

/// A value as an answer spells it. Objects keep their members' order.
std::string json_text(const nlohmann::ordered_json& value, Layout layout);

inline std::string_view comma(Layout layout) {
  return layout == Layout::kSpaced ? ", " : ",";
}
inline std::string_view colon(Layout layout) {
  return layout == Layout::kSpaced ? ": " : ":";
}

}  // namespace fovea::grammar
