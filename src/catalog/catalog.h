#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/candidate.h"
#include "sqlite/database.h"
#include "tasks/check.h"
#include "tasks/task.h"

namespace fovea::catalog {

struct ImportOptions {
  bool strict = false;  ///< one bad record refuses the whole import
  std::size_t max_entries = 5'000'000;
  std::size_t max_mistakes_told = 100;  ///< in the report; all are counted
};

/// A record of a file that was not taken.
struct ImportMistake {
  std::string file;
  std::size_t line = 0;
  std::string message;
};

struct ImportReport {
  std::size_t imported = 0;
  std::size_t refused = 0;
  std::vector<ImportMistake> mistakes;     ///< the first ones
  std::vector<std::string> extra_columns;  ///< of the files that are no fields; kept beside the entries
};

struct TaskStats {
  std::string task;
  std::uint64_t entries = 0;
  std::vector<std::pair<std::string, std::uint64_t>>
      distinct;  ///< different values, for each field that is matched
};

/// Known things to compare readings with: the cards there are, imported from CSV files, one set of entries a
/// task. SQLite; the similar-text index is FTS5 with trigrams over the distinct values of a field.
///
/// Thread-safe: one call at a time. Several processes may have the same file open. Errors of all functions:
/// as sqlite/database.h says, with the file's name.
class Catalog {
 public:
  /// `$XDG_STATE_HOME/fovea/catalog.db`.
  static std::filesystem::path default_path();

  /// Opens the catalogue, made empty where there is none.
  static Result<std::unique_ptr<Catalog>> open(const std::filesystem::path& path);
  /// Opens it for reading; null where there is no file.
  static Result<std::unique_ptr<Catalog>> open_existing(const std::filesystem::path& path);

  /// Replaces the task's entries by the records of CSV files (RFC 4180, UTF-8, a header line). A column whose
  /// name is a field's (whatever the case) fills it, an empty value is null; other columns are kept as text.
  /// All or nothing: on an error the old entries stay. A record that does not fit is left out and reported.
  /// Errors: kNotFound, kIo; kInvalidArgument: a header without any field or with a column twice, no record
  /// that could be taken, a bad one if `strict`; kTooLarge: more entries than the limit.
  Result<ImportReport> import_csv(const tasks::Task& task, std::span<const std::filesystem::path> files,
                                  const ImportOptions& options = {});

  /// The tasks that have entries.
  Result<std::vector<TaskStats>> stats();

  /// Removes a task's entries and says how many there were.
  Result<std::uint64_t> clear(std::string_view task);

  /// The entries that a reading is most likely of, best first, at most `limit`.
  ///
  /// Score: over the fields that are compared (`match`) and not null in the reading, the sum of match_weight
  /// times similarity, by the sum of match_weight. Similarity is 1 where the canonical forms are equal; for
  /// fields of `match = "similar"` 1 - d / n, with d the edit distance (insertions, deletions, replacements,
  /// swapped neighbours) and n the longer length in characters, where that is at least 0.6; else 0. An entry
  /// that lacks the field gets half the weight. Equal scores stand in the order of the import.
  /// Candidates are sought by equal or similar text fields; a reading without any has none.
  Result<std::vector<Candidate>> match(const tasks::Task& task, const nlohmann::ordered_json& fields,
                                       std::size_t limit = 3);

  /// Whether any entry has this canonical value in this field; nothing where no entry has any value there.
  Result<std::optional<bool>> has_value(std::string_view task, std::string_view field,
                                        std::string_view canonical);

  /// has_value() for tasks::check_reading; an error counts as "cannot say". Must not outlive the catalogue.
  [[nodiscard]] tasks::IsKnown known_values(const tasks::Task& task);

 private:
  explicit Catalog(sqlite::Database database) : database_(std::move(database)) {}

  std::mutex mutex_;
  sqlite::Database database_;  // guarded by mutex_
};

/// How alike two texts are, 0 to 1: see Catalog::match. Time and memory by the product of the lengths, which
/// are cut at 256 characters.
double similarity(std::string_view a, std::string_view b);

}  // namespace fovea::catalog
