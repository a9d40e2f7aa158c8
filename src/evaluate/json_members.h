#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace fovea::evaluate {

/// Takes members of known types out of an object that comes from a file. The first mistake is kept.
class Members {
 public:
  /// `name`: of the object in messages; empty for the outermost.
  Members(const nlohmann::ordered_json& object, std::string name);

  std::string text(const char* key);
  double number(const char* key);
  std::uint64_t count(const char* key);
  bool flag(const char* key);
  /// The member itself, of any type; null where it is missing.
  const nlohmann::ordered_json& any(const char* key);
  /// An array; an empty one where it is none.
  const nlohmann::ordered_json& array(const char* key);
  /// An object's members, whose mistakes are told with this object's name; merge() them when done.
  Members object(const char* key);
  void merge(const Members& below);
  void mistake(const std::string& text);

  [[nodiscard]] bool has(const char* key) const { return object_->contains(key); }
  /// Empty where all was well.
  [[nodiscard]] const std::string& first_mistake() const { return mistake_; }

 private:
  const nlohmann::ordered_json& member(const char* key, bool (*is)(const nlohmann::ordered_json&),
                                       const char* expected);

  const nlohmann::ordered_json* object_;
  std::string name_;
  std::string mistake_;
};

}  // namespace fovea::evaluate
