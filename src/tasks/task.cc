#include "tasks/task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/json.h"
#include "tasks/quote.h"

namespace fovea::tasks {
namespace {

using Json = nlohmann::ordered_json;

std::size_t code_points(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool has_type(FieldType type, const Json& value) {
  switch (type) {
    case FieldType::kText:
    case FieldType::kLabel:
      return value.is_string();
    case FieldType::kWholeNumber:
      // What a program makes, such as a correction, may hold a positive number as a signed one.
      return value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
    case FieldType::kNumber:
      return value.is_number() && std::isfinite(value.get<double>());
    case FieldType::kFlag:
      return value.is_boolean();
  }
  return false;
}

const char* schema_type(FieldType type) {
  switch (type) {
    case FieldType::kWholeNumber:
      return "integer";
    case FieldType::kNumber:
      return "number";
    case FieldType::kFlag:
      return "boolean";
    case FieldType::kText:
    case FieldType::kLabel:
      break;
  }
  return "string";
}

/// A bound as JSON writes it best: an integer where it is one.
Json bound(double value) {
  const bool whole = std::trunc(value) == value && std::abs(value) <= kLargestWholeNumber;
  return whole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

Json field_schema(const Field& field) {
  Json schema;
  const char* type = schema_type(field.type);
  schema["type"] = field.nullable ? Json::array({type, "null"}) : Json(type);
  if (field.type == FieldType::kLabel) {
    schema["enum"] = field.one_of;
    if (field.nullable) schema["enum"].push_back(nullptr);
  }
  if (field.pattern) schema["pattern"] = fmt::format("^(?:{})$", field.pattern->text());
  if (field.max_length) schema["maxLength"] = *field.max_length;
  if (field.type == FieldType::kWholeNumber) {
    schema["minimum"] = bound(field.minimum.value_or(0));
    schema["maximum"] = bound(field.maximum.value_or(kLargestWholeNumber));
  } else {
    if (field.minimum) schema["minimum"] = bound(*field.minimum);
    if (field.maximum) schema["maximum"] = bound(*field.maximum);
  }
  return schema;
}

Json canonical_field(const Field& field) {
  return {{"name", field.name},
          {"type", type_name(field.type)},
          {"schema", field_schema(field)},
          {"clean", field.clean},
          {"normalise", field.normalise},
          {"check", field.check},
          {"match", static_cast<int>(field.match)},
          {"match_weight", field.match_weight},
          {"accept", field.accept ? Json(*field.accept) : Json(nullptr)}};
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // Fails only where the process has no SHA-256 at all; the length is then 0 and the digest empty.
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::unexpected<Error> not_asked_for(const Task& task, std::string_view answer, std::string_view reason) {
  return fail(ErrorCode::kInvalidOutput,
              fmt::format("the model's answer is not what task {} asks for: {}; it begins: {}", task.name,
                          reason, quote(answer, 120)));
}

Result<Json> parse_label(const Task& task, std::string_view answer) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  std::string_view text = answer;
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  for (const Label& label : task.labels) {
    if (text == label.name || text == Json(label.name).dump()) return Json{{kLabelField, label.name}};
  }
  return not_asked_for(task, answer, "it is none of the labels");
}

}  // namespace

const char* type_name(FieldType type) {
  switch (type) {
    case FieldType::kText:
      return "text";
    case FieldType::kWholeNumber:
      return "whole_number";
    case FieldType::kNumber:
      return "number";
    case FieldType::kFlag:
      return "flag";
    case FieldType::kLabel:
      return "label";
  }
  return "";
}

std::string Task::digest() const {
  Json canonical{{"name", name},
                 {"prompt", prompt},
                 {"kind", kind == Kind::kLabels ? "labels" : "fields"},
                 {"models", {models.fast, models.accurate}},
                 {"accept", accept},
                 {"legible", legible},
                 {"accuracy_critical", accuracy_critical},
                 {"complex", complex},
                 {"portrait", portrait},
                 {"max_new_tokens", max_new_tokens},
                 {"fields", Json::array()},
                 {"labels", Json::array()}};
  for (const Field& field : fields) canonical["fields"].push_back(canonical_field(field));
  for (const Label& label : labels) canonical["labels"].push_back({label.name, label.meaning});
  return sha256_hex(canonical.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json Task::json_schema() const {
  if (kind == Kind::kLabels) {
    Json names = Json::array();
    for (const Label& label : labels) names.push_back(label.name);
    return {{"type", "string"}, {"enum", std::move(names)}};
  }
  Json properties = Json::object();
  Json required = Json::array();
  for (const Field& field : fields) {
    properties[field.name] = field_schema(field);
    required.push_back(field.name);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

const Field* Task::find_field(std::string_view field) const {
  const auto found = std::ranges::find(fields, field, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

std::optional<std::string> form_mistake(const Field& field, const Json& value) {
  if (value.is_null()) {
    return field.nullable ? std::nullopt : std::optional<std::string>("is null, which it may not be");
  }
  if (!has_type(field.type, value)) return "has the wrong type";
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (field.type == FieldType::kLabel && std::ranges::find(field.one_of, text) == field.one_of.end()) {
      return fmt::format("is {}, not one of: {}", quote(text), fmt::join(field.one_of, ", "));
    }
    if (field.max_length && code_points(text) > *field.max_length) {
      return fmt::format("has {} characters, expected at most {}", code_points(text), *field.max_length);
    }
    if (field.pattern && !field.pattern->matches(text)) {
      return fmt::format("is {}, which does not match {}", quote(text), field.pattern->text());
    }
  }
  if (value.is_number()) {
    const auto number = value.get<double>();
    if (field.minimum && number < *field.minimum) {
      return fmt::format("is {}, expected at least {}", number, *field.minimum);
    }
    if (field.maximum && number > *field.maximum) {
      return fmt::format("is {}, expected at most {}", number, *field.maximum);
    }
  }
  return std::nullopt;
}

Result<Json> check_fields(const Task& task, const Json& fields) {
  const auto bad = [](std::string reason) { return fail(ErrorCode::kInvalidArgument, std::move(reason)); };
  if (!fields.is_object()) return bad("it is no JSON object");
  Json ordered = Json::object();
  for (const Field& field : task.fields) {
    const auto found = fields.find(field.name);
    if (found == fields.end()) return bad(fmt::format("{} is missing", field.name));
    if (const auto mistake = form_mistake(field, *found)) {
      return bad(fmt::format("{} {}", field.name, *mistake));
    }
    ordered[field.name] = *found;
  }
  if (fields.size() != ordered.size()) return bad("it has fields that were not asked for");
  return ordered;
}

Result<Json> parse_answer(const Task& task, std::string_view answer) {
  if (task.kind == Kind::kLabels) return parse_label(task, answer);
  const auto json = parse_json(answer, "answer", {.max_bytes = std::size_t{1} << 20, .max_depth = 8});
  if (!json) return not_asked_for(task, answer, json.error().message);
  auto fields = check_fields(task, Json(*json));
  if (!fields) return not_asked_for(task, answer, fields.error().message);
  return fields;
}

}  // namespace fovea::tasks
