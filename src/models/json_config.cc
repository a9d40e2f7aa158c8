#include "models/json_config.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "base/shorten.h"

namespace fovea::models {
namespace {

const nlohmann::json kEmptyObject = nlohmann::json::object();

}  // namespace

Result<nlohmann::json> read_checkpoint_json(const std::filesystem::path& path) {
  auto json = read_json_file(path);
  if (!json && (json.error().code == ErrorCode::kInvalidJson || json.error().code == ErrorCode::kTooLarge)) {
    json.error().code = ErrorCode::kInvalidModel;
  }
  return json;
}

ConfigReader::ConfigReader(const nlohmann::json& object, std::string where)
    : object_(object.is_object() ? object : kEmptyObject), where_(std::move(where)) {
  if (!object.is_object()) problem_ = where_ + ": expected an object";
}

const nlohmann::json* ConfigReader::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigReader::complain(const char* key, const std::string& expected) {
  if (problem_.empty()) {
    problem_ = fmt::format("{}: {} is {}, expected {}", where_, key, shorten(find(key)->dump()), expected);
  }
}

ConfigReader& ConfigReader::size(const char* key, std::size_t& value, std::size_t least, std::size_t most) {
  if (const nlohmann::json* found = find(key)) {
    if (found->is_number_unsigned() && found->get<std::uint64_t>() >= least &&
        found->get<std::uint64_t>() <= most) {
      value = found->get<std::size_t>();
    } else {
      complain(key, fmt::format("a whole number from {} to {}", least, most));
    }
  }
  return *this;
}

ConfigReader& ConfigReader::token_id(const char* key, std::int32_t& value) {
  if (const nlohmann::json* found = find(key)) {
    if (found->is_number_unsigned() && found->get<std::uint64_t>() < (std::uint64_t{1} << 30)) {
      value = found->get<std::int32_t>();
    } else {
      complain(key, "a token id");
    }
  }
  return *this;
}

ConfigReader& ConfigReader::number(const char* key, float& value, double least, double most) {
  if (const nlohmann::json* found = find(key)) {
    // Judged as a double: one that is out of a float's range has no defined conversion.
    if (found->is_number() && found->get<double>() >= least && found->get<double>() <= most) {
      value = static_cast<float>(found->get<double>());
    } else {
      complain(key, fmt::format("a number from {} to {}", least, most));
    }
  }
  return *this;
}

ConfigReader& ConfigReader::flag(const char* key, bool& value) {
  if (const nlohmann::json* found = find(key)) {
    if (found->is_boolean()) {
      value = found->get<bool>();
    } else {
      complain(key, "true or false");
    }
  }
  return *this;
}

ConfigReader& ConfigReader::expect(const char* key, const char* text) {
  if (const nlohmann::json* found = find(key)) {
    if (!found->is_string() || found->get_ref<const std::string&>() != text)
      complain(key, fmt::format("\"{}\"", text));
  }
  return *this;
}

bool ConfigReader::has(const char* key) const {
  return find(key) != nullptr;
}

const nlohmann::json& ConfigReader::object(const char* key) {
  const nlohmann::json* found = find(key);
  if (found == nullptr) return kEmptyObject;
  if (!found->is_object()) complain(key, "an object");
  return found->is_object() ? *found : kEmptyObject;
}

Result<void> ConfigReader::status() const {
  if (!problem_.empty()) return fail(ErrorCode::kInvalidModel, problem_);
  return {};
}

}  // namespace fovea::models
