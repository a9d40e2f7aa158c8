#include "grammar/random_schema.h"

#include <array>

namespace fovea::grammar::test {
namespace {

// No empty name: ajv 8.17 does not miss a required property that is called "".
constexpr std::array kNames = {"name",          "hp",   "a", " ", "set name", "quote\"d", "gr\u00f6\u00dfe",
                               "first_edition", "x/y~z"};
constexpr std::array kPatterns = {
    "^[A-Z]{2}-?[0-9]{1,3}$", "[0-9]",        "^(?:ab|cd)+$",           "a.c$",
    "^\\w+(?: \\w+)*$",       "^\\S*$",       "^[^a-z]{2,4}$",          "^$|^x",
    "^\\u00e9+|\\u{1F600}",   "^\"\\\\*\\n?", "(?:^|-)[a-f]{3}(?:-|$)", "^[\\d/]{1,7}$"};

}  // namespace

std::string RandomSchemas::some_string() {
  static const std::array<std::string, 14> kStrings = {
      "",      "a",     "Pikachu", "AB-12",         "7/102",      "abcd",    "\"\\\n", "\u00e9\u00e9",
      "x abc", "\x01z", "ab cd",   "1234567890123", "\U0001F600", "a\u2028c"};
  std::string text = kStrings[below(kStrings.size())];
  if (one_in(3)) text += kStrings[below(kStrings.size())];
  return text;
}

Json RandomSchemas::some_scalar() {
  switch (below(6)) {
    case 0:
      return nullptr;
    case 1:
      return one_in(2);
    case 2:
      return static_cast<int>(below(300)) - 100;
    case 3:
      return (static_cast<double>(below(2000)) - 1000) / 8 + 0.0625;
    default:
      return some_string();
  }
}

Json RandomSchemas::string_schema() {
  Json schema = {{"type", "string"}};
  if (one_in(8)) {
    constexpr std::array kFormats = {"date", "time", "date-time", "uuid"};
    schema["format"] = kFormats[below(kFormats.size())];
    schema["maxLength"] = 40;
    return schema;
  }
  if (one_in(2)) schema["minLength"] = below(5);
  schema["maxLength"] = 3 + below(8);
  if (one_in(2)) schema["pattern"] = kPatterns[below(kPatterns.size())];
  return schema;
}

Json RandomSchemas::number_schema(bool integer) {
  Json schema = {{"type", integer ? "integer" : "number"}};
  const auto bound = [&]() -> Json {
    const auto whole = static_cast<int>(below(400)) - 200;
    if (one_in(4)) return whole * 1000003;
    return one_in(2) ? Json(whole) : Json(whole / 16.0);
  };
  const Json low = bound();
  Json high = bound();
  if (high < low) high = low.get<double>() + static_cast<double>(below(100));
  if (one_in(2)) schema[one_in(2) ? "minimum" : "exclusiveMinimum"] = low;
  if (one_in(2)) schema[one_in(2) ? "maximum" : "exclusiveMaximum"] = high;
  if (integer && one_in(6)) {
    schema["minimum"] = -50;
    schema["maximum"] = 90;
    schema["multipleOf"] = 1 + below(9);
  }
  return schema;
}

Json RandomSchemas::array_schema(int depth) {
  Json schema = {{"type", "array"}, {"items", this->schema(depth - 1)}};
  if (one_in(2)) schema["minItems"] = below(3);
  if (one_in(2)) schema["maxItems"] = 1 + below(3);
  if (one_in(3)) {
    schema["prefixItems"] = Json::array();
    for (std::size_t i = 0; i <= below(3); ++i) schema["prefixItems"].push_back(this->schema(depth - 1));
    if (one_in(2)) schema["items"] = false;
  }
  return schema;
}

Json RandomSchemas::object_schema(int depth) {
  if (one_in(8)) return {{"type", "object"}, {"additionalProperties", schema(depth - 1)}};
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  const std::size_t first = below(kNames.size());
  const std::size_t count = below(5);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = kNames[(first + i) % kNames.size()];
    schema["properties"][name] = this->schema(depth - 1);
    if (!one_in(3)) schema["required"].push_back(name);
  }
  schema["additionalProperties"] = false;
  return schema;
}

/// Branches that a const of a required property tells apart.
Json RandomSchemas::one_of_schema(int depth) {
  Json branches = Json::array();
  for (std::size_t i = 0; i < 2 + below(2); ++i) {
    branches.push_back(
        {{"type", "object"},
         {"properties", {{"kind", {{"const", "k" + std::to_string(i)}}}, {"value", schema(depth - 1)}}},
         {"required", {"kind", "value"}},
         {"additionalProperties", false}});
  }
  return {{"oneOf", std::move(branches)}};
}

Json RandomSchemas::document(int depth) {
  Json document = schema(depth);
  document["$defs"] = {{"node", node_definition()}};
  return document;
}

/// Trees.
Json RandomSchemas::node_definition() {
  return {{"type", "object"},
          {"properties",
           {{"label", string_schema()},
            {"children", {{"type", "array"}, {"items", {{"$ref", "#/$defs/node"}}}, {"maxItems", 2}}}}},
          {"required", {"label"}},
          {"additionalProperties", false}};
}

Json RandomSchemas::schema(int depth) {
  switch (below(depth > 0 ? 15 : 8)) {
    case 0:
      return {{"type", one_in(2) ? "boolean" : "null"}};
    case 1:
      return {{"type", {"string", "null"}}, {"maxLength", below(6)}};
    case 2:
      return number_schema(true);
    case 3:
      return number_schema(false);
    case 4: {
      Json values = Json::array();
      for (std::size_t i = 0; i <= below(5); ++i) values.push_back(some_scalar());
      return {{"enum", std::move(values)}};
    }
    case 5:
      return one_in(2) ? Json{{"const", {{"b", {1, 2}}, {"a", some_string()}}}}
                       : Json{{"const", some_scalar()}};
    case 6:
      return string_schema();
    case 7:
      return {{"$ref", "#/$defs/node"}};
    case 8:
    case 9:
      return array_schema(depth);
    case 10:
      return {{"anyOf", Json::array({schema(depth - 1), schema(depth - 1), schema(depth - 1)})}};
    case 11:
      return one_of_schema(depth);
    default:
      return object_schema(depth);
  }
}

Json RandomSchemas::mutated(Json value) {
  if (value.is_structured() && !value.empty() && !one_in(4)) {
    auto at = value.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(value.size())));
    if (one_in(4)) {
      value.erase(at);
    } else if (one_in(4) && value.is_array() && value.size() < small_answers().max_items) {
      value.push_back(Json(*at));
    } else {
      *at = mutated(*at);
    }
    return value;
  }
  if (value.is_string() && one_in(2)) return value.get<std::string>() + some_string();
  if (value.is_number_integer() && one_in(2))
    return value.get<std::int64_t>() + static_cast<std::int64_t>(below(21)) - 10;
  if (one_in(8)) return Json::array({value});
  if (one_in(8)) return Json::object();
  return some_scalar();
}

}  // namespace fovea::grammar::test
