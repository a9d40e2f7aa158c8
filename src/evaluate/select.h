#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "evaluate/matrix.h"
#include "evaluate/requirement.h"

namespace fovea::evaluate {

/// What decides among variants that meet every requirement.
enum class Preference {
  kAccuracy,  ///< the most accurate; of equals the one with the lower latency_p95
  kLatency,   ///< the lowest latency_p95; of equals the more accurate
  kSize,      ///< the smallest files; of equals the more accurate
};

std::optional<Preference> parse_preference(std::string_view name);
const char* preference_name(Preference preference);

/// A variant in a role, and why it has it.
struct Choice {
  std::size_t variant = 0;  ///< its index in the matrix
  std::string why;
};

/// How one variant came out.
struct Outcome {
  std::vector<Verdict> verdicts;  ///< one a requirement, in their order
  bool meets_all = false;
  std::string role;  ///< "primary", "fallback", "edge" or several of them; empty: none
  std::string why;   ///< the role's reason, or why it was rejected
};

/// Which models to use for what.
struct Selection {
  std::vector<Requirement> requirements;
  Preference preference = Preference::kAccuracy;
  std::optional<Choice> primary = {};   ///< meets every requirement and comes first by the preference
  std::optional<Choice> fallback = {};  ///< meets them too; what answers when the primary cannot
  std::optional<Choice> edge =
      {};  ///< fits the microcontroller's budget and meets what is no matter of machines
  std::vector<Outcome> outcomes = {};  ///< one a variant, in the matrix's order
  std::vector<std::size_t> nearest =
      {};  ///< variants by how little they miss, the nearest first; where none fits

  [[nodiscard]] nlohmann::ordered_json to_json(const Matrix& matrix) const;
  [[nodiscard]] std::string to_table(const Matrix& matrix) const;
};

/// Pure: the same report gives the same choice.
Selection select(const Matrix& matrix, std::vector<Requirement> requirements, Preference preference);

/// `deployment.toml` (docs/evaluate-and-select.md): the roles with model, version, type of weights and what
/// was measured of them, the task, and the limits. The selection must have a primary.
std::string to_deployment(const Matrix& matrix, const Selection& selection);

}  // namespace fovea::evaluate
