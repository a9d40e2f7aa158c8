#include "tasks/task_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <ranges>
#include <set>
#include <tuple>
#include <utility>

#include "base/ascii.h"
#include "tasks/check.h"
#include "tasks/normalise.h"
#include "tasks/quote.h"
#include "tasks/toml_reader.h"

namespace fovea::tasks {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxPrompt = std::size_t{16} << 10;
constexpr std::size_t kMaxTitle = 60;
constexpr std::size_t kMaxLabel = 200;
constexpr std::size_t kMaxMeaning = 1000;
constexpr std::size_t kMaxPattern = 1000;
constexpr std::size_t kMaxFields = 64;
constexpr std::size_t kMaxLabels = 1000;
constexpr std::size_t kMaxFunctions = 16;
constexpr std::int64_t kMaxWidth = 200;
constexpr std::int64_t kMaxTextLength = 10'000;
constexpr std::int64_t kMaxNewTokens = 8192;
constexpr double kMaxWeight = 1000;

constexpr std::array<std::pair<std::string_view, FieldType>, 5> kTypes{
    {{"text", FieldType::kText},
     {"whole_number", FieldType::kWholeNumber},
     {"number", FieldType::kNumber},
     {"flag", FieldType::kFlag},
     {"label", FieldType::kLabel}}};
constexpr std::array<std::pair<std::string_view, Match>, 3> kMatches{
    {{"none", Match::kNone}, {"exact", Match::kExact}, {"similar", Match::kSimilar}}};
constexpr std::array<std::pair<std::string_view, Kind>, 2> kKinds{
    {{"fields", Kind::kFields}, {"labels", Kind::kLabels}}};

bool is_task_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return is_ascii_lower(c) || is_ascii_digit(c) || c == '-'; });
}

bool is_field_name(std::string_view name) {
  return !name.empty() && is_ascii_lower(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_ascii_lower(c) || is_ascii_digit(c) || c == '_'; });
}

/// The value that a key chooses by name; `otherwise` where the key is not there or wrong.
template <class T, std::size_t N>
T choice(TomlReader& reader, std::string_view key,
         const std::array<std::pair<std::string_view, T>, N>& choices, T otherwise) {
  const auto name = reader.text(key, kMaxName);
  if (!name) return otherwise;
  for (const auto& [known, value] : choices) {
    if (known == *name) return value;
  }
  reader.mistake_at(key, fmt::format("{}: expected one of: {}; found {}", key,
                                     fmt::join(choices | std::views::keys, ", "), quote(*name)));
  return otherwise;
}

/// The names of functions that exist, as `find` knows them.
template <class Find, class Table>
std::vector<std::string> functions(TomlReader& reader, std::string_view key, Find find, const Table& table) {
  std::vector<std::string> names = reader.texts(key, kMaxName, kMaxFunctions);
  std::vector<std::string_view> known;
  for (const auto& function : table) known.push_back(function.name);
  for (const std::string& name : names) {
    if (find(name) == nullptr) {
      reader.mistake_at(
          key, fmt::format("{}: expected some of: {}; found {}", key, fmt::join(known, ", "), quote(name)));
    }
  }
  return names;
}

void read_functions(TomlReader& reader, Field& field) {
  field.clean = functions(reader, "clean", find_normaliser, normalisers());
  field.normalise = functions(reader, "normalise", find_normaliser, normalisers());
  field.check = functions(reader, "check", find_validator, validators());
  const bool text = field.type == FieldType::kText || field.type == FieldType::kLabel;
  for (const std::string& name : field.clean) {
    const Normaliser* normaliser = find_normaliser(name);
    if (normaliser != nullptr && !normaliser->white_space_only) {
      reader.mistake_at("clean",
                        fmt::format("clean: expected functions that change white space only, found {}; "
                                    "it may stand in normalise",
                                    quote(name)));
    }
  }
  if (!text && (!field.clean.empty() || !field.normalise.empty())) {
    reader.mistake(fmt::format("only text is cleaned and normalised, found a {}", type_name(field.type)));
  }
  for (const std::string& name : field.check) {
    const Validator* validator = find_validator(name);
    if (validator != nullptr && validator->for_text != text) {
      reader.mistake_at("check",
                        fmt::format("check: {} is for {}, found a {}", name,
                                    validator->for_text ? "text" : "numbers", type_name(field.type)));
    }
  }
}

void read_forms(TomlReader& reader, Field& field) {
  const bool text = field.type == FieldType::kText;
  const bool number = field.type == FieldType::kNumber || field.type == FieldType::kWholeNumber;
  const double least = field.type == FieldType::kWholeNumber ? 0 : std::numeric_limits<double>::lowest();
  const double most =
      field.type == FieldType::kWholeNumber ? kLargestWholeNumber : std::numeric_limits<double>::max();
  if (const auto expression = reader.text("pattern", kMaxPattern)) {
    if (auto pattern = Pattern::compile(*expression)) {
      field.pattern = std::move(*pattern);
    } else {
      reader.mistake_at("pattern", "pattern: " + pattern.error().message);
    }
  }
  if (const auto length = reader.whole_number("max_length", 1, kMaxTextLength)) {
    field.max_length = static_cast<std::size_t>(*length);
  }
  field.minimum = reader.number("minimum", least, most);
  field.maximum = reader.number("maximum", least, most);
  field.one_of = reader.texts("one_of", kMaxLabel, kMaxLabels);

  for (const char* key : {"pattern", "max_length"}) {
    if (reader.has(key) && !text)
      reader.mistake_at(key, fmt::format("{} is for text, found a {}", key, type_name(field.type)));
  }
  for (const char* key : {"minimum", "maximum"}) {
    if (reader.has(key) && !number) {
      reader.mistake_at(key, fmt::format("{} is for numbers, found a {}", key, type_name(field.type)));
    }
  }
  if (field.minimum && field.maximum && *field.minimum > *field.maximum) {
    reader.mistake_at("minimum", fmt::format("minimum: expected at most the maximum {}, found {}",
                                             *field.maximum, *field.minimum));
  }
  if (field.type == FieldType::kLabel && field.one_of.empty()) {
    reader.mistake_at("one_of", "a label needs one_of with at least one text, found none");
  } else if (field.type != FieldType::kLabel && reader.has("one_of")) {
    reader.mistake_at("one_of",
                      fmt::format("one_of is for type = \"label\", found a {}", type_name(field.type)));
  }
}

Field read_field(const toml::table& table, std::vector<Mistake>& mistakes) {
  TomlReader reader(table, "a field", mistakes);
  Field field;
  reader.require("name");
  reader.require("type");
  if (const auto name = reader.text("name", kMaxName)) {
    field.name = *name;
    if (!is_field_name(*name)) {
      reader.mistake_at("name",
                        fmt::format("name: expected a-z, then a-z, 0-9 and _, found {}", quote(*name)));
    }
  }
  field.type = choice(reader, "type", kTypes, FieldType::kText);
  field.nullable = reader.flag("nullable").value_or(true);
  std::string title = field.name;
  std::ranges::replace(title, '_', ' ');
  field.title = reader.text("title", kMaxTitle).value_or(title);
  field.display_width = static_cast<int>(reader.whole_number("width", 1, kMaxWidth).value_or(12));
  read_forms(reader, field);
  read_functions(reader, field);
  field.match = choice(reader, "match", kMatches, Match::kNone);
  if (field.match == Match::kSimilar && field.type != FieldType::kText) {
    reader.mistake_at("match",
                      fmt::format("match: only text can be similar, found a {}", type_name(field.type)));
  }
  field.match_weight = reader.number("match_weight", 0, kMaxWeight).value_or(1);
  field.accept = reader.number("accept", 0, 1);
  reader.finish();
  return field;
}

void read_fields(TomlReader& task_reader, Task& task, std::vector<Mistake>& mistakes) {
  const toml::array* list = task_reader.array("fields");
  if (list == nullptr) return;
  if (list->empty() || list->size() > kMaxFields) {
    task_reader.mistake_at(
        *list, fmt::format("fields: expected 1 to {} fields, found {}", kMaxFields, list->size()));
    return;
  }
  for (const toml::node& node : *list) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      task_reader.mistake_at(node, "fields: expected tables ([[fields]]), found something else");
      continue;
    }
    Field field = read_field(*table, mistakes);
    if (!field.name.empty() && task.find_field(field.name) != nullptr) {
      task_reader.mistake_at(*table->get("name"), fmt::format("name: the field {} stands twice", field.name));
    }
    task.fields.push_back(std::move(field));
  }
}

/// A label: a text, or a table with name and meaning.
Label read_label(const toml::node& node, TomlReader& task_reader, std::vector<Mistake>& mistakes) {
  if (const auto* text = node.as_string(); text != nullptr && !text->get().empty()) {
    return {.name = text->get(), .meaning = ""};
  }
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    task_reader.mistake_at(node, "labels: expected texts or tables with name and meaning");
    return {};
  }
  TomlReader reader(*table, "a label", mistakes);
  reader.require("name");
  Label label{.name = reader.text("name", kMaxLabel).value_or(""),
              .meaning = reader.text("meaning", kMaxMeaning, /*lines=*/true).value_or("")};
  reader.finish();
  return label;
}

void read_labels(TomlReader& task_reader, Task& task, std::vector<Mistake>& mistakes) {
  const toml::array* list = task_reader.array("labels");
  if (list == nullptr) return;
  if (list->size() < 2 || list->size() > kMaxLabels) {
    task_reader.mistake_at(
        *list, fmt::format("labels: expected 2 to {} labels, found {}", kMaxLabels, list->size()));
    return;
  }
  std::set<std::string> seen;
  Field field;
  field.name = kLabelField;
  field.title = kLabelField;
  field.type = FieldType::kLabel;
  field.nullable = false;
  for (const toml::node& node : *list) {
    Label label = read_label(node, task_reader, mistakes);
    if (label.name.empty()) continue;
    const bool plain =
        std::ranges::none_of(label.name,
                             [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }) &&
        label.name.size() <= kMaxLabel && label.name.front() != ' ' && label.name.back() != ' ';
    if (!plain) {
      task_reader.mistake_at(node,
                             fmt::format("labels: expected 1 to {} bytes without control characters and "
                                         "spaces at the ends, found {}",
                                         kMaxLabel, quote(label.name)));
    }
    if (!seen.insert(label.name).second) {
      task_reader.mistake_at(node, fmt::format("labels: {} stands twice", quote(label.name)));
    }
    field.one_of.push_back(label.name);
    task.labels.push_back(std::move(label));
  }
  task.fields.push_back(std::move(field));
}

void read_models(const toml::table& table, Task& task, std::vector<Mistake>& mistakes) {
  TomlReader reader(table, "[models]", mistakes);
  task.models.fast = reader.text("fast", kMaxLabel).value_or("");
  task.models.accurate = reader.text("accurate", kMaxLabel).value_or("");
  reader.finish();
}

void read_thresholds(const toml::table& table, Task& task, std::vector<Mistake>& mistakes) {
  TomlReader reader(table, "[thresholds]", mistakes);
  task.accept = reader.number("accept", 0, 1).value_or(0);
  task.legible = reader.number("legible", 0, 1).value_or(0);
  reader.finish();
}

void read_prompt(TomlReader& reader, Task& task) {
  reader.require("prompt");
  const auto prompt = reader.text("prompt", kMaxPrompt, /*lines=*/true);
  if (!prompt) return;
  task.prompt = *prompt;
  // Chat templates and tokenizers take such words for their own.
  for (const char* word : {"<image>", "<end_of_utterance>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"}) {
    if (prompt->find(word) != std::string::npos) {
      reader.mistake_at("prompt", fmt::format("prompt: expected words for the model, found {}, which the "
                                              "prompt's template puts in by itself",
                                              word));
    }
  }
}

Task read_task(const toml::table& table, std::vector<Mistake>& mistakes) {
  TomlReader reader(table, "a task", mistakes);
  Task task;
  reader.require("name");
  if (const auto name = reader.text("name", kMaxName)) {
    task.name = *name;
    if (!is_task_name(*name)) {
      reader.mistake_at("name", fmt::format("name: expected a-z, 0-9 and -, found {}", quote(*name)));
    }
  }
  read_prompt(reader, task);
  task.kind = choice(reader, "kind", kKinds, reader.has("labels") ? Kind::kLabels : Kind::kFields);
  if (task.kind == Kind::kFields) {
    reader.require("fields");
    read_fields(reader, task, mistakes);
    if (reader.has("labels")) reader.mistake_at("labels", "labels: a task of kind \"fields\" has none");
    (void)reader.array("labels");
  } else {
    reader.require("labels");
    read_labels(reader, task, mistakes);
    if (reader.has("fields")) reader.mistake_at("fields", "fields: a task of kind \"labels\" has none");
    (void)reader.array("fields");
  }
  if (const toml::table* models = reader.table("models")) read_models(*models, task, mistakes);
  if (const toml::table* thresholds = reader.table("thresholds"))
    read_thresholds(*thresholds, task, mistakes);
  task.accuracy_critical = reader.flag("accuracy_critical").value_or(false);
  task.complex = reader.flag("complex").value_or(false);
  task.portrait = reader.flag("portrait").value_or(false);
  task.max_new_tokens =
      static_cast<std::size_t>(reader.whole_number("max_new_tokens", 1, kMaxNewTokens).value_or(256));
  reader.finish();
  return task;
}

}  // namespace

std::expected<Task, std::vector<Mistake>> parse_task(std::string_view toml) {
  const auto refuse = [](Mistake mistake) { return std::unexpected(std::vector{std::move(mistake)}); };
  if (toml.size() > kMaxTaskFileBytes) {
    return refuse(
        {.message = fmt::format("expected at most {} bytes, found {}", kMaxTaskFileBytes, toml.size())});
  }
  // Every dot of a key nests a table, and nested tables are destroyed recursively. The parser limits brackets
  // by itself.
  constexpr std::int64_t kMaxDots = 4096;
  if (const auto dots = std::ranges::count(toml, '.'); dots > kMaxDots) {
    return refuse({.message = fmt::format("expected at most {} dots, found {}", kMaxDots, dots)});
  }
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return refuse({.line = error.source().begin.line,
                   .column = error.source().begin.column,
                   .message = std::string(error.description())});
  }
  std::vector<Mistake> mistakes;
  Task task = read_task(parsed.table(), mistakes);
  if (mistakes.empty()) return task;
  std::ranges::sort(mistakes, {}, [](const Mistake& mistake) {
    return std::tuple(mistake.line, mistake.column, std::string_view(mistake.message));
  });
  return std::unexpected(std::move(mistakes));
}

std::string describe(const std::vector<Mistake>& mistakes, std::string_view source) {
  std::string text;
  for (const Mistake& mistake : mistakes) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{}:{}:{}: {}", source, mistake.line, mistake.column, mistake.message);
  }
  return text;
}

}  // namespace fovea::tasks
