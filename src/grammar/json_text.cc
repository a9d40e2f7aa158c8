#include "grammar/json_text.h"

namespace fovea::grammar {
namespace {

using Json = nlohmann::ordered_json;

void append(const Json& value, Layout layout, std::string& out) {
  std::string_view separator;
  if (value.is_object()) {
    out += '{';
    for (const auto& [name, member] : value.items()) {
      out.append(separator).append(json_quoted(name)).append(colon(layout));
      append(member, layout, out);
      separator = comma(layout);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (const Json& item : value) {
      out += separator;
      append(item, layout, out);
      separator = comma(layout);
    }
    out += ']';
  } else {
    out += value.dump();
  }
}

}  // namespace

std::string json_quoted(std::string_view text) {
  return Json(text).dump();
}

std::string json_text(const Json& value, Layout layout) {
  std::string out;
  append(value, layout, out);
  return out;
}

}  // namespace fovea::grammar
