#include "base/json.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"

namespace fovea {
namespace {

using Json = nlohmann::json;

/// Builds a value from SAX events. nlohmann's own DOM parser keeps the last of repeated keys silently and
/// has no depth limit, so neither is left to it.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBuilder(std::size_t max_depth) : max_depth_(max_depth) {}

  bool null() override { return add(Json(nullptr)); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(Json(value)); }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    Level& level = levels_.back();
    if (level.value.contains(value)) {
      problem_ = fmt::format("the key \"{}\" stands twice in one object", value.substr(0, 80));
      return false;
    }
    level.key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const Json::exception& error) override {
    // The library's text starts with "[json.exception.…] ": people need only what follows.
    const std::string text = error.what();
    const std::size_t end = text.find("] ");
    problem_ =
        fmt::format("at byte {}: {}", position, end == std::string::npos ? text : text.substr(end + 2));
    return false;
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }
  Json take() { return std::move(root_); }

 private:
  struct Level {
    Json value;
    std::string key;
  };

  bool open(Json empty) {
    if (levels_.size() >= max_depth_) {
      problem_ = fmt::format("nested deeper than {} levels", max_depth_);
      return false;
    }
    levels_.push_back({std::move(empty), {}});
    return true;
  }
  bool close() {
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    return add(std::move(value));
  }
  bool add(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (Level& level = levels_.back(); level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else {
      level.value.emplace(std::move(level.key), std::move(value));
    }
    return true;
  }

  std::size_t max_depth_;
  std::vector<Level> levels_;
  Json root_;
  std::string problem_ = "malformed";
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view source, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorCode::kTooLarge, fmt::format("{}: {} bytes of JSON, over the limit of {}", source,
                                                  text.size(), limits.max_bytes));
  }
  StrictBuilder builder(limits.max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(ErrorCode::kInvalidJson, fmt::format("{}: not valid JSON: {}", source, builder.problem()));
  }
  return builder.take();
}

Result<Json> read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  FOVEA_TRY(const std::string text, read_file(path, limits.max_bytes));
  return parse_json(text, path.string(), limits);
}

}  // namespace fovea
