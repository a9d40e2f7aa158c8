#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "evaluate/matrix.h"
#include "evaluate/units.h"

namespace fovea::evaluate {

/// A figure of a variant that can be required.
struct Metric {
  std::string name;
  Dimension dimension = Dimension::kShare;
  std::string meaning;
  bool of_machine = false;  ///< says something of the machine it was measured on, not of the model alone
};

/// The figures that requirements can name, for the fields or classes of this comparison:
/// `accuracy.FIELD` or `accuracy.CLASS` among them.
std::vector<Metric> metrics_of(const Matrix& matrix);

/// What was measured, with its 95 % interval where there is one.
struct Measured {
  double value = 0;
  std::optional<std::array<double, 2>> interval95;
};

/// Nothing where it was not measured: a model without confidences has no calibration error.
std::optional<Measured> measured(const Matrix& matrix, const Variant& variant, const std::string& metric);

enum class Comparison { kAtLeast, kMoreThan, kAtMost, kLessThan };

/// `accuracy>=0.80`, `latency_p95<=3s`.
struct Requirement {
  std::string text;  ///< as it was written
  Metric metric;
  Comparison comparison = Comparison::kAtLeast;
  double limit = 0;

  [[nodiscard]] bool holds(double value) const;
  /// The limit as people write it: "at least 80.0 %".
  [[nodiscard]] std::string limit_text() const;
};

/// Errors (kUsage): a metric that there is not, with those there are; a comparison or a value that cannot be
/// read, with what was expected.
Result<Requirement> parse_requirement(std::string_view text, const std::vector<Metric>& metrics);

/// How a variant stands to a requirement. The figure itself decides, not its interval.
struct Verdict {
  bool met = false;
  std::optional<Measured> measured;
  bool straddles = false;  ///< the limit lies inside the 95 % interval: other pictures may say otherwise
  double miss = 0;         ///< where it is not met: distance from the limit, as a share of it
  /// "accuracy 78.0 %, required at least 80.0 %; its 95 % interval, 74.0 % to 82.0 %, holds the limit".
  std::string text;
};

Verdict judge(const Matrix& matrix, const Variant& variant, const Requirement& requirement);

}  // namespace fovea::evaluate
