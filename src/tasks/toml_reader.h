#pragma once

// toml++ as this room uses it: without exceptions, and compiled here rather than in a library.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
// Its checks of itself end the process on some malformed keys, which the parser refuses by itself a line
// later.
#define TOML_ASSERT(expr) static_cast<void>(0)

#include <toml++/toml.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task_file.h"

namespace fovea::tasks {

/// Reads the keys of one TOML table and writes down what is wrong with them. Each getter marks its key as
/// known, and gives nothing where the key is not there or its value is a mistake.
class TomlReader {
 public:
  /// `what` names the table for messages: "a task", "a field". All three must outlive the reader.
  TomlReader(const toml::table& table, std::string_view what, std::vector<Mistake>& mistakes)
      : table_(table), what_(what), mistakes_(mistakes) {}

  /// A text of 1 to `max_bytes` bytes; without control characters unless `lines` may be several.
  std::optional<std::string> text(std::string_view key, std::size_t max_bytes, bool lines = false);
  std::optional<std::int64_t> whole_number(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<double> number(std::string_view key, double least, double most);
  std::optional<bool> flag(std::string_view key);
  /// An array of different texts, at most `max_count` of them.
  std::vector<std::string> texts(std::string_view key, std::size_t max_bytes, std::size_t max_count);
  const toml::table* table(std::string_view key);
  const toml::array* array(std::string_view key);

  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
  /// A mistake at the table itself where the key is not there.
  void require(std::string_view key);
  /// A mistake at this key's value.
  void mistake_at(std::string_view key, std::string message);
  void mistake_at(const toml::node& node, std::string message) { add(node.source(), std::move(message)); }
  /// A mistake at the table as a whole.
  void mistake(std::string message) { add(table_.source(), std::move(message)); }
  /// Writes down every key that no getter asked for.
  void finish();

 private:
  const toml::node* take(std::string_view key);
  void unexpected(std::string_view key, const toml::node& found, std::string_view expected);
  void add(const toml::source_region& where, std::string message);

  const toml::table& table_;
  std::string_view what_;
  std::vector<Mistake>& mistakes_;
  std::vector<std::string> known_;
};

}  // namespace fovea::tasks
