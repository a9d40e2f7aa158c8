#include "grammar/keywords.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/shorten.h"

namespace fovea::grammar {
namespace {

constexpr std::array kAnnotations = {"title",    "description", "default",    "examples",
                                     "$schema",  "$comment",    "$defs",      "definitions",
                                     "readOnly", "writeOnly",   "deprecated", "$id"};

struct TypeKeywords {
  TypeSet type;
  std::vector<std::string_view> keywords;
};
const std::array kTypeKeywords = {
    TypeKeywords{kString, {"minLength", "maxLength", "pattern", "format"}},
    TypeKeywords{kInteger | kNumber,
                 {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}},
    TypeKeywords{kArray, {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}},
    TypeKeywords{kObject, {"properties", "required", "additionalProperties"}},
};
constexpr std::array kGeneral = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"};

constexpr std::array<std::pair<std::string_view, TypeSet>, 7> kTypeNames = {{{"null", kNull},
                                                                             {"boolean", kBoolean},
                                                                             {"integer", kInteger},
                                                                             {"number", kInteger | kNumber},
                                                                             {"string", kString},
                                                                             {"array", kArray},
                                                                             {"object", kObject}}};

template <class List>
bool is_in(const List& list, std::string_view word) {
  return std::ranges::find(list, word) != std::end(list);
}

bool is_known(std::string_view keyword) {
  return is_annotation(keyword) || is_in(kGeneral, keyword) ||
         std::ranges::any_of(kTypeKeywords, [&](const auto& kind) { return is_in(kind.keywords, keyword); });
}

Result<TypeSet> named_type(const Json& name, std::string_view pointer) {
  if (name.is_string()) {
    for (const auto& [known, type] : kTypeNames) {
      if (name.get_ref<const std::string&>() == known) return type;
    }
  }
  return refuse(pointer, "type", "expected the name of a JSON type or a list of such names");
}

/// The values of const or enum in some order; nothing where there is neither. Compared as JSON Schema does: 1
/// is 1.0, and members have no order.
std::optional<std::vector<nlohmann::json>> finite_values(const Json& schema) {
  std::vector<nlohmann::json> values;
  if (schema.contains("const")) {
    values.emplace_back(schema["const"]);
  } else if (schema.contains("enum") && schema["enum"].is_array()) {
    for (const Json& value : schema["enum"]) values.emplace_back(value);
  } else {
    return std::nullopt;
  }
  std::sort(values.begin(), values.end());
  return values;
}

const Json* resolve(const Json* schema, const Json& root) {
  for (int steps = 0; schema != nullptr && schema->is_object() && schema->contains("$ref"); ++steps) {
    if (steps == 32 || !(*schema)["$ref"].is_string()) return nullptr;
    schema = find_reference(root, (*schema)["$ref"].get<std::string>());
  }
  return schema != nullptr && schema->is_object() ? schema : nullptr;
}

TypeSet possible_types(const Json& schema) {
  if (const auto values = finite_values(schema)) {
    TypeSet types = 0;
    for (const nlohmann::json& value : *values) types |= type_of(Json(value));
    return types;
  }
  const Result<Types> types = read_types(schema, "");
  return types ? types->set : kAllTypes;
}

bool no_common_value(const Json& a, const Json& b) {
  const auto values = finite_values(a);
  const auto others = finite_values(b);
  if (!values || !others) return false;
  std::vector<nlohmann::json> common;
  std::set_intersection(values->begin(), values->end(), others->begin(), others->end(),
                        std::back_inserter(common));
  return common.empty();
}

/// The schema of a property that an object must have; null where it need not have it.
const Json* required_property(const Json& schema, const std::string& name, const Json& root) {
  if (!schema.contains("required") || !schema["required"].is_array()) return nullptr;
  const Json& required = schema["required"];
  if (std::none_of(required.begin(), required.end(), [&](const Json& each) { return each == name; }))
    return nullptr;
  if (!schema.contains("properties") || !schema["properties"].is_object()) return nullptr;
  const auto found = schema["properties"].find(name);
  return found == schema["properties"].end() ? nullptr : resolve(&*found, root);
}

}  // namespace

std::string child_pointer(std::string_view pointer, std::string_view token) {
  std::string result(pointer);
  result += '/';
  for (const char c : token) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

std::unexpected<Error> refuse(std::string_view pointer, std::string_view keyword, std::string_view why) {
  const std::string place = keyword.empty() ? std::string(pointer) : child_pointer(pointer, keyword);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("schema at {}: {}", place.empty() ? "the root" : shorten(place, 200), why));
}

bool is_annotation(std::string_view keyword) {
  return is_in(kAnnotations, keyword);
}

Result<void> check_keywords(const Json& schema, std::string_view pointer) {
  for (const auto& [keyword, value] : schema.items()) {
    if (!is_known(keyword)) return refuse(pointer, keyword, "this keyword is not supported");
  }
  if (!pointer.empty() && schema.contains("$id")) {
    return refuse(pointer, "$id", "only the root may have an identifier");
  }
  return {};
}

Result<void> allow_only(const Json& schema, std::string_view pointer, std::string_view because,
                        std::initializer_list<std::string_view> allowed) {
  for (const auto& [keyword, value] : schema.items()) {
    if (is_annotation(keyword) || keyword == because || is_in(allowed, keyword)) continue;
    return refuse(pointer, keyword, fmt::format("not supported beside {}", because));
  }
  return {};
}

Result<Types> read_types(const Json& schema, std::string_view pointer) {
  Types types;
  if (!schema.contains("type")) return types;
  types.set = 0;
  const Json& names = schema["type"];
  if (names.is_array() && names.empty()) return refuse(pointer, "type", "an empty list: nothing fits");
  const auto add = [&](const Json& name) -> Result<void> {
    FOVEA_TRY(const TypeSet type, named_type(name, pointer));
    if ((types.set & type) == type) return {};
    types.set |= type;
    types.order.push_back(type);
    return {};
  };
  if (!names.is_array()) FOVEA_CHECK_OK(add(names));
  if (names.is_array()) {
    for (const Json& name : names) FOVEA_CHECK_OK(add(name));
  }
  return types;
}

TypeSet types_spoken_of(const Json& schema) {
  TypeSet types = 0;
  for (const TypeKeywords& kind : kTypeKeywords) {
    for (const std::string_view keyword : kind.keywords) {
      if (schema.contains(keyword)) types |= kind.type;
    }
  }
  return types;
}

TypeSet type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return kNull;
    case Json::value_t::boolean:
      return kBoolean;
    case Json::value_t::number_float:
      return value.get<double>() == std::floor(value.get<double>()) ? kInteger : kNumber;
    case Json::value_t::string:
      return kString;
    case Json::value_t::array:
      return kArray;
    case Json::value_t::object:
      return kObject;
    default:
      return kInteger;
  }
}

Result<std::optional<std::size_t>> read_count(const Json& schema, std::string_view pointer,
                                              const char* keyword) {
  if (!schema.contains(keyword)) return std::nullopt;
  const Json& value = schema[keyword];
  constexpr double kMost = 1 << 30;
  if (!value.is_number() || type_of(value) != kInteger || value.get<double>() < 0 ||
      value.get<double>() > kMost) {
    return refuse(pointer, keyword, "expected a whole number from 0 to 2^30");
  }
  return static_cast<std::size_t>(value.get<double>());
}

Result<std::optional<double>> read_number(const Json& schema, std::string_view pointer, const char* keyword) {
  if (!schema.contains(keyword)) return std::nullopt;
  if (!schema[keyword].is_number()) return refuse(pointer, keyword, "expected a number");
  return schema[keyword].get<double>();
}

bool provably_disjoint(const Json& first, const Json& second, const Json& root) {
  const Json* a = resolve(&first, root);
  const Json* b = resolve(&second, root);
  if (a == nullptr || b == nullptr) return false;
  const TypeSet types_a = possible_types(*a);
  const TypeSet types_b = possible_types(*b);
  if ((types_a & types_b) == 0 || no_common_value(*a, *b)) return true;
  // Of objects that may be in both, a property that tells them apart; other types must not overlap.
  if ((types_a & types_b) != kObject || !a->contains("required") || !(*a)["required"].is_array())
    return false;
  const Json& required = (*a)["required"];
  return std::any_of(required.begin(), required.end(), [&](const Json& name) {
    if (!name.is_string()) return false;
    const Json* in_a = required_property(*a, name.get<std::string>(), root);
    const Json* in_b = required_property(*b, name.get<std::string>(), root);
    return in_a != nullptr && in_b != nullptr && no_common_value(*in_a, *in_b);
  });
}

const Json* find_reference(const Json& root, const std::string& reference) {
  if (!reference.starts_with('#')) return nullptr;
  std::string pointer;
  for (std::size_t i = 1; i < reference.size(); ++i) {
    if (reference[i] != '%') {
      pointer += reference[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = std::string_view(reference).substr(i + 1, 2);
    constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
    for (const char c : digits) {
      const std::size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) return nullptr;
      value = value * 16 + static_cast<unsigned>(digit % 16);
    }
    if (digits.size() != 2) return nullptr;
    pointer += static_cast<char>(value);
    i += 2;
  }
  const Json* at = &root;
  std::string_view rest = pointer;
  while (!rest.empty()) {
    if (rest[0] != '/') return nullptr;
    const std::size_t end = std::min(rest.find('/', 1), rest.size());
    std::string token;
    for (std::size_t i = 1; i < end; ++i) {
      if (rest[i] != '~') {
        token += rest[i];
      } else if (++i < end && (rest[i] == '0' || rest[i] == '1')) {
        token += rest[i] == '0' ? '~' : '/';
      } else {
        return nullptr;
      }
    }
    if (at->is_object()) {
      const auto found = at->find(token);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array() && !token.empty() && token.size() < 7 &&
               token.find_first_not_of("0123456789") == std::string::npos) {
      const std::size_t index = std::stoul(token);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
    rest.remove_prefix(end);
  }
  return at;
}

}  // namespace fovea::grammar
