#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tasks/pattern.h"

namespace fovea::tasks {

/// What a field's value is in JSON: a string; an integer of at least zero; any number; true or false; one of
/// the strings in `Field::one_of`.
enum class FieldType { kText, kWholeNumber, kNumber, kFlag, kLabel };

/// How a field of a reading is compared with the catalogue.
enum class Match {
  kNone,     ///< it is not: it tells copies of one thing apart, not things
  kExact,    ///< the canonical forms are equal or they differ
  kSimilar,  ///< canonical forms may differ in a few characters
};

/// One thing a task asks for.
struct Field {
  std::string name;
  FieldType type = FieldType::kText;
  bool nullable = true;    ///< null is an answer: the picture does not show it
  std::string title;       ///< heading of its column in a table for people
  int display_width = 12;  ///< width of that column

  std::optional<Pattern> pattern;         ///< text: what the whole value has to look like
  std::optional<std::size_t> max_length;  ///< text: in characters (code points)
  std::optional<double> minimum, maximum;
  std::vector<std::string> one_of;  ///< labels: what may be answered

  std::vector<std::string> clean;      ///< normalisers for the answer itself; they change white space only
  std::vector<std::string> normalise;  ///< normalisers that make the form in which values are compared
  std::vector<std::string> check;      ///< validators
  Match match = Match::kNone;
  double match_weight = 1;
  std::optional<double> accept;  ///< least confidence that needs no review; none: the task's
};

/// One answer of a labels task.
struct Label {
  std::string name;
  std::string meaning;  ///< for people and for prompts; may be empty
};

enum class Kind {
  kFields,  ///< the answer is a JSON object with the task's fields
  kLabels,  ///< the answer is one of the task's labels
};

/// Which model answers unless one is asked for. Empty: the caller's own default.
struct DefaultModels {
  std::string fast;
  std::string accurate;
};

/// What is asked of a picture and the form of the answer.
struct Task {
  std::string name;
  std::string prompt;
  Kind kind = Kind::kFields;
  std::vector<Field> fields;  ///< in the order of the answer; a labels task has one, kLabelField
  std::vector<Label> labels;  ///< in the file's order; empty for a fields task
  DefaultModels models;
  double accept = 0;               ///< least confidence of a field that needs no review
  double legible = 0;              ///< least confidence of a value that is told at all: below it, null
  bool accuracy_critical = false;  ///< a hint for routing: a wrong answer costs more than a slow one
  bool complex = false;            ///< a hint for routing: small models do badly
  bool portrait = false;  ///< what is asked about stands taller than wide: a picture that is wider lies on
                          ///< its side, one that is taller stands, perhaps on its head
  std::size_t max_new_tokens = 256;

  /// SHA-256, in hexadecimal, over a canonical form of everything that can change an answer or what follows
  /// from it: all of the above but the titles and widths of table columns. Part of cache keys.
  [[nodiscard]] std::string digest() const;

  /// A JSON Schema (2020-12) of what the model has to write. Fields: a closed object with every field
  /// required, properties in the order of the answer. Labels: a string `enum`.
  [[nodiscard]] nlohmann::ordered_json json_schema() const;

  /// The field of that name, or null.
  [[nodiscard]] const Field* find_field(std::string_view field) const;
};

/// The name of the one field that the answer to a labels task has.
inline constexpr const char* kLabelField = "label";

/// The largest whole number that every JSON reader keeps: 2^53 - 1.
inline constexpr double kLargestWholeNumber = 9007199254740991;

/// The name of a type as task files have it, e.g. "whole_number".
const char* type_name(FieldType type);

/// Why this value cannot stand in this field, to be read after the field's name, e.g. "has the wrong type";
/// nothing where it can.
std::optional<std::string> form_mistake(const Field& field, const nlohmann::ordered_json& value);

/// Whether `fields` has exactly the task's fields, each of an allowed form, and gives them back in the task's
/// order. Errors (kInvalidArgument): which field and why.
Result<nlohmann::ordered_json> check_fields(const Task& task, const nlohmann::ordered_json& fields);

/// Reads a model's answer. Fields: one JSON object that has exactly the task's fields, each of its form.
/// Labels: one label, as it is or as a JSON string; it becomes `{"label": …}`.
/// Errors (kInvalidOutput): anything else, with the answer's beginning.
Result<nlohmann::ordered_json> parse_answer(const Task& task, std::string_view answer);

}  // namespace fovea::tasks
