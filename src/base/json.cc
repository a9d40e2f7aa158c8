#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/file.h"

namespace fovea {
namespace {

/// A string of the input as a message shows it: quoted, escaped, cut, and UTF-8 even where the cut fell
/// inside a character, since messages go into JSON answers themselves.
std::string shown(const std::string& text) {
  constexpr std::size_t kMaxShown = 80;
  return nlohmann::json(text.substr(0, kMaxShown))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The library's account of an error without what people do not need ("[json.exception.…] ") and without the
/// input it repeats ("; last read: …", a number's digits), which can be megabytes of bytes that are not
/// UTF-8.
std::string readable(std::string_view what) {
  constexpr std::size_t kMaxShown = 200;
  if (const std::size_t name = what.find("] "); name != std::string_view::npos) what.remove_prefix(name + 2);
  return std::string(what.substr(0, std::min(what.find("; last read: "), kMaxShown)));
}

/// Builds a value from SAX events. nlohmann's own DOM parser keeps the last of repeated keys silently and
/// has no depth limit, so neither is left to it. `Json` sorts members or keeps their order.
template <class Json>
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  using typename nlohmann::json_sax<Json>::number_integer_t;
  using typename nlohmann::json_sax<Json>::number_unsigned_t;
  using typename nlohmann::json_sax<Json>::number_float_t;
  using typename nlohmann::json_sax<Json>::string_t;
  using typename nlohmann::json_sax<Json>::binary_t;

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
    auto& members = level.value.template get_ref<typename Json::object_t&>();
    if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) {
      // Ordered objects search themselves from end to end for every key.
      if (!level.keys.insert(value).second) return repeated(value);
      members.push_back({std::move(value), Json()});
      level.member = &members.back().second;
    } else {
      const auto [member, is_new] = members.try_emplace(std::move(value));
      if (!is_new) return repeated(member->first);
      level.member = &member->second;
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    problem_ = fmt::format("at byte {}: {}", position, readable(error.what()));
    return false;
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }
  Json take() { return std::move(root_); }

 private:
  struct Level {
    Json value;
    Json* member = nullptr;                     // in an object: where the value of the last key goes
    std::unordered_set<std::string> keys = {};  // of an object that keeps its order
  };

  bool repeated(const std::string& key) {
    problem_ = fmt::format("the key {} stands twice in one object", shown(key));
    return false;
  }
  bool open(Json empty) {
    if (levels_.size() >= max_depth_) {
      problem_ = fmt::format("nested deeper than {} levels", max_depth_);
      return false;
    }
    levels_.push_back({.value = std::move(empty)});
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
      *level.member = std::move(value);
    }
    return true;
  }

  std::size_t max_depth_;
  std::vector<Level> levels_;
  Json root_;
  std::string problem_ = "malformed";
};

template <class Json>
Result<Json> parse_strictly(std::string_view text, std::string_view source, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorCode::kTooLarge, fmt::format("{}: {} bytes of JSON, over the limit of {}", source,
                                                  text.size(), limits.max_bytes));
  }
  // The lexer takes a NUL for the end of the text and would not look at what follows; valid JSON has none.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorCode::kInvalidJson,
                fmt::format("{}: not valid JSON: at byte {}: a NUL byte", source, nul + 1));
  }
  StrictBuilder<Json> builder(limits.max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(ErrorCode::kInvalidJson, fmt::format("{}: not valid JSON: {}", source, builder.problem()));
  }
  return builder.take();
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::string_view source, const JsonLimits& limits) {
  return parse_strictly<nlohmann::json>(text, source, limits);
}

Result<nlohmann::ordered_json> parse_ordered_json(std::string_view text, std::string_view source,
                                                  const JsonLimits& limits) {
  return parse_strictly<nlohmann::ordered_json>(text, source, limits);
}

Result<nlohmann::json> read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  FOVEA_TRY(const std::string text, read_file(path, limits.max_bytes));
  return parse_json(text, path.string(), limits);
}

}  // namespace fovea
