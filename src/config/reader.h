#pragma once

#include <toml++/toml.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fovea::config {

/// Takes values out of one TOML table, each once, and then knows what nobody has asked for. The first error
/// is kept, and finish() returns it: so that reading a section is a list of what it may hold.
class Reader {
 public:
  /// `name`: of the table in messages, empty for the file itself. The table must outlive the reader.
  Reader(const toml::table& table, std::string name, std::string source, std::filesystem::path folder)
      : table_(table), name_(std::move(name)), source_(std::move(source)), folder_(std::move(folder)) {}

  void text(std::string_view key, std::string& value);
  /// One of `words`.
  void word(std::string_view key, std::string& value, std::initializer_list<std::string_view> words);
  void path(std::string_view key, std::string& value);
  void flag(std::string_view key, bool& value);
  void number(std::string_view key, double& value, double low, double high);
  void texts(std::string_view key, std::vector<std::string>& value);
  void paths(std::string_view key, std::vector<std::string>& value);

  template <class T>
  void integer(std::string_view key, T& value, std::int64_t low, std::int64_t high) {
    if (const auto found = whole(key, low, high)) value = static_cast<T>(*found);
  }

  /// A table below this one, read by `read(Reader&)`, which finishes by itself.
  template <class Read>
  void section(std::string_view key, Read read) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return wrong(*node, key, "a table");
    Reader below(*table, name_.empty() ? std::string(key) : name_ + "." + std::string(key), source_, folder_);
    read(below);
    keep(below.finish());
  }

  /// The entries of a table below this one, in the order of the file (a table forgets it): `visit(name,
  /// node)`. `expected` says what the key has to hold.
  template <class Visit>
  void each(std::string_view key, std::string_view expected, Visit visit) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return wrong(*node, key, expected);
    std::vector<std::pair<std::string, const toml::node*>> entries;
    for (const auto& [name, value] : *table) entries.emplace_back(std::string(name.str()), &value);
    std::ranges::stable_sort(entries, [](const auto& a, const auto& b) {
      const auto &first = a.second->source().begin, &second = b.second->source().begin;
      return std::pair(first.line, first.column) < std::pair(second.line, second.column);
    });
    for (const auto& [name, value] : entries) visit(name, *value);
  }

  /// A list of tables, or a table of tables, or a table of texts: whatever `key` holds; null where it is
  /// missing.
  const toml::node* take(std::string_view key);

  /// Refuses keys that were not asked for. Errors: kUsage.
  Result<void> finish();

  [[nodiscard]] Reader reader_of(const toml::table& table, std::string name) const {
    return {table, std::move(name), source_, folder_};
  }
  /// Whether the table has this key; for settings whose absence means something.
  [[nodiscard]] bool has(std::string_view key) { return take(key) != nullptr; }
  /// "FILE:LINE:COLUMN".
  [[nodiscard]] std::string place_of(const toml::node& node) const;
  [[nodiscard]] std::string absolute(std::string_view path) const;

  void keep(Result<void> result) {
    if (!result && result_) result_ = std::move(result);
  }
  /// Notes "FILE:LINE:COLUMN: message".
  void error_at(const toml::node& node, const std::string& message);
  /// Notes that `key` has another type than the one expected.
  void wrong(const toml::node& node, std::string_view key, std::string_view expected);

 private:
  std::optional<std::int64_t> whole(std::string_view key, std::int64_t low, std::int64_t high);
  [[nodiscard]] std::string full(std::string_view key) const;

  const toml::table& table_;
  const std::string name_;
  const std::string source_;
  const std::filesystem::path folder_;
  std::vector<std::string> known_;
  Result<void> result_;
};

}  // namespace fovea::config
