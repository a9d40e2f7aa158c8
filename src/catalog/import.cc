#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "base/shorten.h"
#include "catalog/catalog.h"
#include "catalog/csv.h"
#include "catalog/schema.h"
#include "tasks/normalise.h"

namespace fovea::catalog {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string lower(std::string_view text) {
  std::string result;
  for (const char c : text) result += ascii_lower(c);
  return result;
}

/// Which column of a file fills which field.
struct Columns {
  std::vector<const tasks::Field*> fields;  ///< for every column, null where it is no field
  std::vector<std::string> names;
};

Result<Columns> read_header(const tasks::Task& task, const CsvRecord& header, const std::string& file) {
  Columns columns;
  const auto bad = [&](const std::string& reason) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", file, header.line, reason));
  };
  if (!header.mistake.empty()) return bad(header.mistake);
  std::string expected;
  for (const tasks::Field& field : task.fields) expected += (expected.empty() ? "" : ", ") + field.name;
  for (const std::string& value : header.values) {
    const std::string name = tasks::find_normaliser("trim")->apply(value);
    const auto same = [&](const std::string& other) { return lower(other) == lower(name); };
    if (std::ranges::any_of(columns.names, same))
      return bad(fmt::format("the column \"{}\" stands twice", shorten(name)));
    columns.names.push_back(name);
    columns.fields.push_back(task.find_field(lower(name)));
  }
  if (std::ranges::none_of(columns.fields, [](const tasks::Field* field) { return field != nullptr; })) {
    return bad(fmt::format("expected a header with some of the columns {}, found none of them", expected));
  }
  return columns;
}

/// The number that a whole text is; nothing where it is none.
template <class T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// A column's text as the field's JSON: null where it is empty; a text where it is none of what was expected.
Json typed(const tasks::Field& field, const std::string& value) {
  if (value.empty()) return nullptr;
  switch (field.type) {
    case tasks::FieldType::kWholeNumber:
      if (const auto number = number_in<std::uint64_t>(value)) return *number;
      break;
    case tasks::FieldType::kNumber:
      if (const auto number = number_in<double>(value)) return *number;
      break;
    case tasks::FieldType::kFlag: {
      const std::string word = lower(value);
      if (word == "true" || word == "yes" || word == "1") return true;
      if (word == "false" || word == "no" || word == "0") return false;
      break;
    }
    case tasks::FieldType::kText:
    case tasks::FieldType::kLabel:
      break;
  }
  return value;
}

struct Entry {
  Json fields = Json::object();
  Json extra = Json::object();
};

/// An entry from a record, or why it cannot be one.
std::expected<Entry, std::string> read_entry(const tasks::Task& task, const Columns& columns,
                                             const CsvRecord& record) {
  if (!record.mistake.empty()) return std::unexpected(record.mistake);
  if (record.values.size() != columns.names.size()) {
    return std::unexpected(fmt::format("expected {} values as in the header, found {}", columns.names.size(),
                                       record.values.size()));
  }
  Entry entry;
  for (const tasks::Field& field : task.fields) entry.fields[field.name] = nullptr;
  bool any = false;
  for (std::size_t i = 0; i < record.values.size(); ++i) {
    const std::string value = tasks::find_normaliser("trim")->apply(record.values[i]);
    const tasks::Field* field = columns.fields[i];
    if (field == nullptr) {
      if (!value.empty()) entry.extra[columns.names[i]] = value;
      continue;
    }
    Json json = typed(*field, value);
    if (json.is_null()) continue;
    if (const auto mistake = tasks::form_mistake(*field, json)) {
      return std::unexpected(fmt::format("{} \"{}\" {}", field->name, shorten(value, 60), *mistake));
    }
    entry.fields[field->name] = std::move(json);
    any = true;
  }
  if (!any) return std::unexpected("no field has a value");
  return entry;
}

/// Writes entries, and each distinct value once.
class Writer {
 public:
  static Result<Writer> make(sqlite::Database& database, const tasks::Task& task) {
    Writer writer(task);
    FOVEA_TRY(writer.entry_,
              database.prepare("INSERT INTO entry(task, fields, extra) VALUES(?, ?, ?) RETURNING id"));
    FOVEA_TRY(writer.value_,
              database.prepare("INSERT INTO value(id, field, canonical, in_similar) VALUES(?, ?, ?, ?)"));
    FOVEA_TRY(writer.similar_, database.prepare("INSERT INTO similar(rowid, canonical) VALUES(?, ?)"));
    FOVEA_TRY(writer.link_, database.prepare("INSERT INTO entry_value(value, entry) VALUES(?, ?)"));
    FOVEA_TRY(auto last, database.prepare("SELECT coalesce(max(id), 0) FROM value"));
    FOVEA_CHECK_OK(last.bind());
    FOVEA_CHECK_OK(last.step());
    writer.last_ = last.integer(0) / kFieldsAtMost;
    for (const tasks::Field& field : task.fields) {
      FOVEA_CHECK_OK(
          database.run("INSERT OR IGNORE INTO field(task, name) VALUES(?, ?)", task.name, field.name));
      FOVEA_TRY(const auto number, find_field(database, task.name, field.name));
      if (!number || *number >= kFieldsAtMost) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("a catalogue holds fields of at most {} kinds", kFieldsAtMost));
      }
      writer.numbers_.push_back(*number);
      writer.ids_.emplace_back();
    }
    return writer;
  }

  Result<void> add(const Entry& entry) {
    const auto extra = entry.extra.empty() ? std::nullopt : std::optional(entry.extra.dump());
    FOVEA_CHECK_OK(entry_->bind(task_->name, entry.fields.dump(), extra));
    FOVEA_CHECK_OK(entry_->step());
    const std::int64_t id = entry_->integer(0);
    entry_->reset();
    for (std::size_t i = 0; i < task_->fields.size(); ++i) {
      const tasks::Field& field = task_->fields[i];
      const bool checked = std::ranges::find(field.check, "known_value") != field.check.end();
      if (field.match == tasks::Match::kNone && !checked) continue;
      const auto form = tasks::canonical(field, entry.fields[field.name]);
      if (!form) continue;
      FOVEA_TRY(const std::int64_t value, value_id(i, *form));
      FOVEA_CHECK_OK(link_->run(value, id));
    }
    return {};
  }

 private:
  explicit Writer(const tasks::Task& task) : task_(&task) {}

  Result<std::int64_t> value_id(std::size_t field, const std::string& canonical) {
    const auto [found, added] = ids_[field].emplace(canonical, 0);
    if (!added) return found->second;
    const std::int64_t id = ++last_ * kFieldsAtMost + numbers_[field];
    found->second = id;
    const bool similar = task_->fields[field].match == tasks::Match::kSimilar;
    FOVEA_CHECK_OK(value_->run(id, numbers_[field], canonical, similar));
    if (similar) FOVEA_CHECK_OK(similar_->run(id, canonical));
    return id;
  }

  const tasks::Task* task_;
  std::optional<sqlite::Statement> entry_, value_, similar_, link_;
  std::int64_t last_ = 0;
  std::vector<std::int64_t> numbers_;                               // of the task's fields
  std::vector<std::unordered_map<std::string, std::int64_t>> ids_;  // of the values seen, for each field
};

Result<void> import_file(const tasks::Task& task, const fs::path& path, const ImportOptions& options,
                         Writer& writer, ImportReport& report) {
  std::error_code error;
  if (!fs::exists(path, error)) return fail(ErrorCode::kNotFound, fmt::format("no file {}", path.string()));
  std::ifstream input(path, std::ios::binary);
  if (!input || fs::is_directory(path, error)) {
    return fail(ErrorCode::kIo, fmt::format("{}: cannot be read", path.string()));
  }
  CsvReader reader(input);
  CsvRecord record;
  FOVEA_TRY(const bool any, reader.next(record));
  if (!any) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected a header line, found nothing", path.string()));
  }
  FOVEA_TRY(const Columns columns, read_header(task, record, path.string()));
  for (std::size_t i = 0; i < columns.names.size(); ++i) {
    if (columns.fields[i] == nullptr) report.extra_columns.push_back(columns.names[i]);
  }
  for (;;) {
    FOVEA_TRY(const bool found, reader.next(record));
    if (!found) return {};
    const auto entry = read_entry(task, columns, record);
    if (!entry) {
      ++report.refused;
      if (report.mistakes.size() < options.max_mistakes_told) {
        report.mistakes.push_back({.file = path.string(), .line = record.line, .message = entry.error()});
      }
      continue;
    }
    if (report.imported == options.max_entries) {
      return fail(ErrorCode::kTooLarge, fmt::format("{}:{}: expected at most {} entries, found more",
                                                    path.string(), record.line, options.max_entries));
    }
    FOVEA_CHECK_OK(writer.add(*entry));
    ++report.imported;
  }
}

}  // namespace

Result<ImportReport> Catalog::import_csv(const tasks::Task& task, std::span<const fs::path> files,
                                         const ImportOptions& options) {
  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(auto transaction, sqlite::Transaction::begin(database_));
  FOVEA_CHECK_OK(remove_entries(database_, task.name));
  FOVEA_TRY(Writer writer, Writer::make(database_, task));
  ImportReport report;
  for (const fs::path& file : files) FOVEA_CHECK_OK(import_file(task, file, options, writer, report));
  if (report.refused > 0 && (options.strict || report.imported == 0)) {
    const ImportMistake& first = report.mistakes.front();
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}:{}: {}; {} bad records, nothing imported", first.file, first.line,
                            first.message, report.refused));
  }
  if (report.imported == 0) {
    return fail(ErrorCode::kInvalidArgument,
                "expected records behind the header, found none; nothing imported");
  }
  FOVEA_CHECK_OK(transaction.commit());
  return report;
}

}  // namespace fovea::catalog
