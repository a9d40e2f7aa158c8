#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace fovea::catalog {

/// How one field of a reading stands to a catalogue entry.
enum class Agreement {
  kEqual,    ///< the canonical forms are the same
  kSimilar,  ///< they are nearly the same (text fields that may be)
  kDiffers,
  kMissing,  ///< the reading or the entry has nothing in this field
};

/// What one field says for or against a candidate.
struct Evidence {
  std::string field;
  Agreement agreement = Agreement::kMissing;
  double similarity = 0;  ///< 1 where equal, 0 where different or missing
};

/// An entry of the catalogue that a reading may be of.
struct Candidate {
  std::int64_t id = 0;  ///< of the entry; another import numbers anew
  double score = 0;     ///< 0 to 1, see Catalog::match
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();  ///< the entry's, in the task's order
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();   ///< columns that are no fields, as text
  std::vector<Evidence> evidence;                                    ///< in the task's order

  /// `{"id", "score", "fields", "extra", "evidence": [{"field", "agreement", "similarity"}]}`; `extra` only
  /// where there is any.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

}  // namespace fovea::catalog
