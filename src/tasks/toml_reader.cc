#include "tasks/toml_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "tasks/quote.h"

namespace fovea::tasks {
namespace {

/// What stands in a file, for "expected a text, found …".
std::string describe_value(const toml::node& node) {
  if (const auto* text = node.as_string()) return "the text " + quote(text->get());
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  return "a date or time";
}

bool has_control_characters(std::string_view text, bool lines) {
  return std::ranges::any_of(text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && !(lines && (c == '\n' || c == '\t')));
  });
}

bool contains(const std::vector<std::string>& texts, std::string_view text) {
  return std::ranges::find(texts, text) != texts.end();
}

}  // namespace

const toml::node* TomlReader::take(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

void TomlReader::add(const toml::source_region& where, std::string message) {
  mistakes_.push_back({.line = std::max<std::size_t>(where.begin.line, 1),
                       .column = std::max<std::size_t>(where.begin.column, 1),
                       .message = std::move(message)});
}

void TomlReader::unexpected(std::string_view key, const toml::node& found, std::string_view expected) {
  add(found.source(), fmt::format("{}: expected {}, found {}", key, expected, describe_value(found)));
}

void TomlReader::mistake_at(std::string_view key, std::string message) {
  const toml::node* node = table_.get(key);
  add(node == nullptr ? table_.source() : node->source(), std::move(message));
}

void TomlReader::require(std::string_view key) {
  if (!has(key)) mistake(fmt::format("{} needs the key {}, found none", what_, key));
}

std::optional<std::string> TomlReader::text(std::string_view key, std::size_t max_bytes, bool lines) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  const auto* text = node->as_string();
  if (text == nullptr) {
    unexpected(key, *node, "a text");
  } else if (text->get().empty() || text->get().size() > max_bytes) {
    add(node->source(),
        fmt::format("{}: expected a text of 1 to {} bytes, found {}", key, max_bytes, text->get().size()));
  } else if (has_control_characters(text->get(), lines)) {
    add(node->source(),
        fmt::format("{}: expected a text without control characters, found {}", key, quote(text->get())));
  } else {
    return text->get();
  }
  return std::nullopt;
}

std::optional<std::int64_t> TomlReader::whole_number(std::string_view key, std::int64_t least,
                                                     std::int64_t most) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  const auto* number = node->as_integer();
  if (number == nullptr || number->get() < least || number->get() > most) {
    unexpected(key, *node, fmt::format("a whole number from {} to {}", least, most));
    return std::nullopt;
  }
  return number->get();
}

std::optional<double> TomlReader::number(std::string_view key, double least, double most) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  const auto number = node->is_number() ? node->value<double>() : std::nullopt;
  // Written so that "not a number" fails as well.
  if (!number || !(*number >= least && *number <= most)) {
    unexpected(key, *node, fmt::format("a number from {} to {}", least, most));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> TomlReader::flag(std::string_view key) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  const auto* flag = node->as_boolean();
  if (flag == nullptr) {
    unexpected(key, *node, "true or false");
    return std::nullopt;
  }
  return flag->get();
}

std::vector<std::string> TomlReader::texts(std::string_view key, std::size_t max_bytes,
                                           std::size_t max_count) {
  std::vector<std::string> texts;
  const toml::array* list = array(key);
  if (list == nullptr) return texts;
  if (list->size() > max_count) {
    mistake_at(*list, fmt::format("{}: expected at most {} texts, found {}", key, max_count, list->size()));
    return texts;
  }
  for (const toml::node& node : *list) {
    const auto* text = node.as_string();
    if (text == nullptr) {
      unexpected(key, node, "a text");
    } else if (text->get().empty() || text->get().size() > max_bytes ||
               has_control_characters(text->get(), false)) {
      mistake_at(node, fmt::format("{}: expected texts of 1 to {} bytes without control characters, found {}",
                                   key, max_bytes, quote(text->get())));
    } else if (contains(texts, text->get())) {
      mistake_at(node, fmt::format("{}: {} stands twice", key, quote(text->get())));
    } else {
      texts.push_back(text->get());
    }
  }
  return texts;
}

const toml::table* TomlReader::table(std::string_view key) {
  const toml::node* node = take(key);
  if (node == nullptr) return nullptr;
  if (!node->is_table()) unexpected(key, *node, fmt::format("a table ([{}])", key));
  return node->as_table();
}

const toml::array* TomlReader::array(std::string_view key) {
  const toml::node* node = take(key);
  if (node == nullptr) return nullptr;
  if (!node->is_array()) unexpected(key, *node, "an array");
  return node->as_array();
}

void TomlReader::finish() {
  for (const auto& [key, node] : table_) {
    if (contains(known_, key.str())) continue;
    add(key.source(), fmt::format("{} has no key {}; expected one of: {}", what_, quote(key.str()),
                                  fmt::join(known_, ", ")));
  }
}

}  // namespace fovea::tasks
