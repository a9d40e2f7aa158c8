#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace fovea::tasks {

/// The outcome of one validator on one field.
struct Check {
  std::string field;
  std::string check;  ///< the validator's name
  bool ok = true;
  bool warning = false;  ///< not ok, but there are right readings like that
  std::string detail;    ///< what was expected and found; the canonical form where one was made

  /// `{"field", "check", "ok", "detail"}`, and `"warning": true` where it is one.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

/// Whether a collection of known things has this canonical value in this field; nothing where it cannot say
/// (none was imported, or its database fails).
using IsKnown = std::function<std::optional<bool>(const Field& field, std::string_view canonical)>;

/// A named judgement of a value. Pure, but for what `known` is asked.
struct Validator {
  std::string_view name;
  std::string_view what;  ///< one line for people
  bool for_text;          ///< for fields of text (or labels); else for numbers
  /// The check's ok, warning and detail; nothing where it cannot say.
  std::optional<Check> (*judge)(const Field& field, const nlohmann::ordered_json& value,
                                const IsKnown& known);
};

/// All validators, in the order of the documentation.
std::span<const Validator> validators();

/// The validator of that name, or null.
const Validator* find_validator(std::string_view name);

/// Runs every field's validators on a reading, in the task's order. Fields that are null are passed over.
std::vector<Check> check_reading(const Task& task, const nlohmann::ordered_json& fields,
                                 const IsKnown& known = {});

/// Why a person should look at this reading: the fields whose confidence lies below what the task accepts,
/// and the checks that failed without being warnings. `confidence` maps fields to numbers from 0 to 1; what
/// is not there is not judged. Nothing where the reading can stand.
std::optional<std::string> review_reason(const Task& task, const nlohmann::ordered_json& confidence,
                                         std::span<const Check> checks);

}  // namespace fovea::tasks
