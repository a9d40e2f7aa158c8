#include "catalog/catalog.h"

#include <fmt/format.h>

#include <utility>

#include "base/state_folder.h"
#include "catalog/schema.h"

namespace fovea::catalog {

sqlite::Options database_options() {
  constexpr std::int32_t kApplicationId = 0x666f7643;  // "fovC"
  sqlite::Options options;
  options.application_id = kApplicationId;
  options.migrations = {R"sql(
CREATE TABLE field(id INTEGER PRIMARY KEY, task TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(task, name));
CREATE TABLE value(id INTEGER PRIMARY KEY, field INTEGER NOT NULL, canonical TEXT NOT NULL,
                   in_similar INTEGER NOT NULL, UNIQUE(field, canonical));
CREATE TABLE entry(id INTEGER PRIMARY KEY, task TEXT NOT NULL, fields TEXT NOT NULL, extra TEXT);
CREATE INDEX entry_by_task ON entry(task);
CREATE TABLE entry_value(value INTEGER NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY(value, entry)) WITHOUT ROWID;
CREATE VIRTUAL TABLE similar USING fts5(canonical, content='', tokenize='trigram', detail='none');
)sql"};
  return options;
}

Result<std::optional<std::int64_t>> find_field(sqlite::Database& database, std::string_view task,
                                               std::string_view field) {
  FOVEA_TRY(auto select, database.prepare("SELECT id FROM field WHERE task = ? AND name = ?"));
  FOVEA_CHECK_OK(select.bind(task, field));
  FOVEA_TRY(const bool found, select.step());
  return found ? std::optional(select.integer(0)) : std::nullopt;
}

Result<std::uint64_t> remove_entries(sqlite::Database& database, std::string_view task) {
  constexpr const char* kOfTask = "(SELECT id FROM field WHERE task = ?)";
  FOVEA_CHECK_OK(database.run(
      fmt::format("INSERT INTO similar(similar, rowid, canonical) "
                  "SELECT 'delete', id, canonical FROM value WHERE in_similar = 1 AND field IN {}",
                  kOfTask),
      task));
  FOVEA_CHECK_OK(database.run(
      fmt::format("DELETE FROM entry_value WHERE value IN (SELECT id FROM value WHERE field IN {})", kOfTask),
      task));
  FOVEA_CHECK_OK(database.run(fmt::format("DELETE FROM value WHERE field IN {}", kOfTask), task));
  FOVEA_CHECK_OK(database.run("DELETE FROM entry WHERE task = ?", task));
  return static_cast<std::uint64_t>(database.changes());
}

std::filesystem::path Catalog::default_path() {
  return state_folder() / "catalog.db";
}

Result<std::unique_ptr<Catalog>> Catalog::open(const std::filesystem::path& path) {
  FOVEA_TRY(auto database, sqlite::Database::open(path, database_options()));
  return std::unique_ptr<Catalog>(new Catalog(std::move(database)));
}

Result<std::unique_ptr<Catalog>> Catalog::open_existing(const std::filesystem::path& path) {
  auto options = database_options();
  options.read_only = true;
  auto database = sqlite::Database::open(path, options);
  if (!database && database.error().code == ErrorCode::kNotFound) return nullptr;
  if (!database) return std::unexpected(database.error());
  return std::unique_ptr<Catalog>(new Catalog(std::move(*database)));
}

Result<std::vector<TaskStats>> Catalog::stats() {
  const std::scoped_lock lock(mutex_);
  std::vector<TaskStats> all;
  FOVEA_TRY(auto tasks, database_.prepare("SELECT task, count(*) FROM entry GROUP BY task ORDER BY task"));
  FOVEA_TRY(auto fields,
            database_.prepare("SELECT field.name, count(*) FROM field JOIN value ON value.field = "
                              "field.id WHERE field.task = ? GROUP BY field.id ORDER BY field.id"));
  FOVEA_CHECK_OK(tasks.bind());
  for (;;) {
    FOVEA_TRY(const bool found, tasks.step());
    if (!found) return all;
    TaskStats stats{.task = std::string(tasks.text(0)),
                    .entries = static_cast<std::uint64_t>(tasks.integer(1)),
                    .distinct = {}};
    FOVEA_CHECK_OK(fields.bind(stats.task));
    for (;;) {
      FOVEA_TRY(const bool another, fields.step());
      if (!another) break;
      stats.distinct.emplace_back(fields.text(0), static_cast<std::uint64_t>(fields.integer(1)));
    }
    all.push_back(std::move(stats));
  }
}

Result<std::uint64_t> Catalog::clear(std::string_view task) {
  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(auto transaction, sqlite::Transaction::begin(database_));
  FOVEA_TRY(const std::uint64_t removed, remove_entries(database_, task));
  FOVEA_CHECK_OK(transaction.commit());
  return removed;
}

Result<std::optional<bool>> Catalog::has_value(std::string_view task, std::string_view field,
                                               std::string_view canonical) {
  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(const auto number, find_field(database_, task, field));
  if (!number) return std::nullopt;
  FOVEA_TRY(auto select,
            database_.prepare("SELECT EXISTS(SELECT 1 FROM value WHERE field = ?1 AND canonical = ?2), "
                              "EXISTS(SELECT 1 FROM value WHERE field = ?1)"));
  FOVEA_CHECK_OK(select.bind(*number, canonical));
  FOVEA_CHECK_OK(select.step());
  return select.integer(1) == 0 ? std::nullopt : std::optional(select.integer(0) != 0);
}

tasks::IsKnown Catalog::known_values(const tasks::Task& task) {
  return [this, name = task.name](const tasks::Field& field, std::string_view canonical) {
    const auto known = has_value(name, field.name, canonical);
    return known ? *known : std::nullopt;
  };
}

}  // namespace fovea::catalog
