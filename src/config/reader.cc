#include "config/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace fovea::config {
namespace {

std::string position(const std::string& source, const toml::source_region& region) {
  return fmt::format("{}:{}:{}", source, region.begin.line, region.begin.column);
}

}  // namespace

std::string Reader::full(std::string_view key) const {
  return name_.empty() ? std::string(key) : fmt::format("{}.{}", name_, key);
}

std::string Reader::place_of(const toml::node& node) const {
  return position(source_, node.source());
}

void Reader::error_at(const toml::node& node, const std::string& message) {
  keep(fail(ErrorCode::kUsage, fmt::format("{}: {}", place_of(node), message)));
}

void Reader::wrong(const toml::node& node, std::string_view key, std::string_view expected) {
  error_at(node, fmt::format("{} must be {}", full(key), expected));
}

const toml::node* Reader::take(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  return table_.get(key);
}

void Reader::text(std::string_view key, std::string& value) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (!node->is_string()) return wrong(*node, key, "a text in quotes");
  value = node->as_string()->get();
}

void Reader::word(std::string_view key, std::string& value, std::initializer_list<std::string_view> words) {
  std::string given = value;
  text(key, given);
  if (given == value) return;
  if (std::ranges::find(words, given) == words.end()) {
    return error_at(*table_.get(key), fmt::format("{} is \"{}\"; expected one of {}", full(key), given,
                                                  fmt::join(words, ", ")));
  }
  value = given;
}

std::string Reader::absolute(std::string_view path) const {
  return path.empty() ? std::string() : (folder_ / std::filesystem::path(path)).lexically_normal().string();
}

void Reader::path(std::string_view key, std::string& value) {
  std::string given;
  text(key, given);
  if (!given.empty()) value = absolute(given);
}

void Reader::flag(std::string_view key, bool& value) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (!node->is_boolean()) return wrong(*node, key, "true or false");
  value = node->as_boolean()->get();
}

void Reader::number(std::string_view key, double& value, double low, double high) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const auto given = node->is_number() ? node->value<double>() : std::nullopt;
  if (!given || !(*given >= low && *given <= high)) {
    return wrong(*node, key, fmt::format("a number from {} to {}", low, high));
  }
  value = *given;
}

std::optional<std::int64_t> Reader::whole(std::string_view key, std::int64_t low, std::int64_t high) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  const auto* given = node->as_integer();
  if (given == nullptr || given->get() < low || given->get() > high) {
    wrong(*node, key, fmt::format("a whole number from {} to {}", low, high));
    return std::nullopt;
  }
  return given->get();
}

void Reader::texts(std::string_view key, std::vector<std::string>& value) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) return wrong(*node, key, "a list of texts in quotes");
  value.clear();
  for (const toml::node& item : *list) {
    if (!item.is_string()) return wrong(item, key, "a list of texts in quotes");
    value.push_back(item.as_string()->get());
  }
}

void Reader::paths(std::string_view key, std::vector<std::string>& value) {
  texts(key, value);
  for (std::string& path : value) path = absolute(path);
}

Result<void> Reader::finish() {
  for (const auto& [key, node] : table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    keep(fail(ErrorCode::kUsage,
              fmt::format("{}: unknown {} \"{}\"{}; known: {}", position(source_, key.source()),
                          node.is_table() ? "section" : "setting", key.str(),
                          name_.empty() ? "" : " in [" + name_ + "]", fmt::join(known_, ", "))));
  }
  return result_;
}

}  // namespace fovea::config
