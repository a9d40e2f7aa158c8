#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace fovea::tasks {

/// A named function from text to text. All are pure, idempotent, and leave invalid UTF-8 as it is.
struct Normaliser {
  std::string_view name;
  std::string_view what;  ///< one line for people
  bool white_space_only;  ///< it loses nothing that a card prints, so an answer itself may be cleaned by it
  std::string (*apply)(std::string_view text);
};

/// All normalisers, in the order of the documentation.
std::span<const Normaliser> normalisers();

/// The normaliser of that name, or null.
const Normaliser* find_normaliser(std::string_view name);

/// Applies normalisers one after the other. Unknown names cannot occur in a loaded task; they change nothing.
std::string normalise(std::string_view text, std::span<const std::string> names);

/// The form in which a value of this field is compared with others: texts and labels through the field's
/// normalisers, numbers and flags as JSON writes them. Nothing for null.
std::optional<std::string> canonical(const Field& field, const nlohmann::ordered_json& value);

/// A reading with the white space of its texts put in order, as the task's fields ask with `clean`.
nlohmann::ordered_json clean_fields(const Task& task, nlohmann::ordered_json fields);

/// A collector number taken apart: "004/102" is number 4 of 102; "SWSH001" has the prefix "SWSH" and number
/// 1; "TG12/TG30" has both.
struct CollectorNumber {
  std::string prefix;  ///< letters before the number, upper case; may be empty
  std::uint32_t number = 0;
  std::string suffix;  ///< letters behind it, upper case, such as the A of "63a"; may be empty
  std::string total_prefix;
  std::optional<std::uint32_t> total;
};

/// Nothing where the text has not the form of a collector number: letters, digits and perhaps a letter or
/// two, then perhaps "/" and letters and digits. Up to six digits.
std::optional<CollectorNumber> parse_collector_number(std::string_view text);

}  // namespace fovea::tasks
