#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "evaluate/count.h"

namespace fovea::evaluate {

/// What a labels task's pictures show against what a model said of them.
struct Confusion {
  /// The task's labels in its order; rows are the truth, columns the answer. One more row at the end, "none
  /// of them", where a truth is null, and one more column, "no answer".
  std::vector<std::string> labels;
  std::vector<std::vector<std::size_t>> counts;  ///< [labels + 1][labels + 1]

  Confusion() = default;
  explicit Confusion(std::vector<std::string> names);

  /// Counts one picture. Anything but a label counts as none of them, or as no answer.
  void add(const nlohmann::ordered_json& truth, const nlohmann::ordered_json& answer);
  [[nodiscard]] bool empty() const { return labels.empty(); }
  /// Pictures whose truth is labels[row]; the last row: none of them.
  [[nodiscard]] std::size_t pictures(std::size_t row) const;
  /// How many of the pictures of a label were told as it.
  [[nodiscard]] Count of(std::size_t label) const;

  /// `{"labels": [...], "counts": [[...], ...]}`.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
  /// Errors: kInvalidArgument.
  static Result<Confusion> from_json(const nlohmann::ordered_json& json);
};

}  // namespace fovea::evaluate
