#include "evaluate/json_members.h"

#include <fmt/format.h>

#include <utility>

namespace fovea::evaluate {
namespace {

using Json = nlohmann::ordered_json;

const Json& nothing() {
  static const Json null;
  return null;
}

const Json& no_items() {
  static const Json array = Json::array();
  return array;
}

const Json& no_members() {
  static const Json object = Json::object();
  return object;
}

}  // namespace

Members::Members(const Json& object, std::string name) : object_(&object), name_(std::move(name)) {
  if (object.is_object()) return;
  mistake(fmt::format("expected {} to be an object", name_.empty() ? "this" : name_));
  object_ = &no_members();
}

void Members::mistake(const std::string& text) {
  if (mistake_.empty()) mistake_ = text;
}

const Json& Members::member(const char* key, bool (*is)(const Json&), const char* expected) {
  const auto found = object_->find(key);
  if (found != object_->end() && is(*found)) return *found;
  mistake(fmt::format("expected \"{}{}{}\" to be {}", name_, name_.empty() ? "" : ".", key, expected));
  return nothing();
}

std::string Members::text(const char* key) {
  const Json& found = member(key, [](const Json& value) { return value.is_string(); }, "a text");
  return found.is_null() ? "" : found.get<std::string>();
}

double Members::number(const char* key) {
  const Json& found = member(key, [](const Json& value) { return value.is_number(); }, "a number");
  return found.is_null() ? 0 : found.get<double>();
}

std::uint64_t Members::count(const char* key) {
  const Json& found =
      member(key, [](const Json& value) { return value.is_number_unsigned(); }, "a whole number");
  return found.is_null() ? 0 : found.get<std::uint64_t>();
}

bool Members::flag(const char* key) {
  const Json& found = member(key, [](const Json& value) { return value.is_boolean(); }, "true or false");
  return !found.is_null() && found.get<bool>();
}

const Json& Members::any(const char* key) {
  const auto found = object_->find(key);
  return found == object_->end() ? nothing() : *found;
}

const Json& Members::array(const char* key) {
  const Json& found = member(key, [](const Json& value) { return value.is_array(); }, "a list");
  return found.is_null() ? no_items() : found;
}

Members Members::object(const char* key) {
  const Json& found = member(key, [](const Json& value) { return value.is_object(); }, "an object");
  return {found.is_null() ? no_members() : found, name_.empty() ? key : name_ + "." + key};
}

void Members::merge(const Members& below) {
  if (!below.mistake_.empty()) mistake(below.mistake_);
}

}  // namespace fovea::evaluate
