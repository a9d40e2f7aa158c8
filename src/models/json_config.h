#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace fovea::models {

/// Reads a JSON file of a checkpoint. Errors: kNotFound, kIo, kInvalidModel (naming the file): to a caller
/// who names a checkpoint, bad JSON in it is a damaged checkpoint, not a bad request.
Result<nlohmann::json> read_checkpoint_json(const std::filesystem::path& path);

/// Reads typed keys of a configuration object and remembers the first problem, so that a parser reads as a
/// list of keys. A key that is absent or null leaves the default.
class ConfigReader {
 public:
  /// `where` names the file and the object in errors.
  ConfigReader(const nlohmann::json& object, std::string where);

  /// A whole number in [least, most].
  ConfigReader& size(const char* key, std::size_t& value, std::size_t least = 1,
                     std::size_t most = std::size_t{1} << 20);
  ConfigReader& token_id(const char* key, std::int32_t& value);
  /// A number in [least, most].
  ConfigReader& number(const char* key, float& value, double least, double most);
  ConfigReader& flag(const char* key, bool& value);
  /// The key, if present, must hold this text: a value that would change the computation is refused.
  ConfigReader& expect(const char* key, const char* text);

  [[nodiscard]] bool has(const char* key) const;
  /// The nested object, or an empty one.
  [[nodiscard]] const nlohmann::json& object(const char* key);

  /// The first problem (kInvalidModel), or nothing.
  [[nodiscard]] Result<void> status() const;

 private:
  const nlohmann::json* find(const char* key) const;
  void complain(const char* key, const std::string& expected);

  const nlohmann::json& object_;
  std::string where_;
  std::string problem_;
};

}  // namespace fovea::models
