#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"

namespace fovea::routing {

/// One picture with known truth, as both models of a cascade did on it.
struct CascadeExample {
  double confidence = 0;  ///< the fast model's, calibrated: Answer::sureness()
  bool fast_right = false;
  bool accurate_right = false;
};

/// A cascade at one threshold, on given examples.
struct CascadePoint {
  double threshold = 0;  ///< answers less sure than this are escalated
  double escalated = 0;  ///< share of the pictures
  double accuracy = 0;
  double cost = 0;  ///< mean of a picture, in calls of the accurate model
};

/// What was chosen, and how it will do on pictures that it was not chosen on.
struct ThresholdChoice {
  CascadePoint chosen;           ///< on all examples; its accuracy is the best of many, so a little too good
  double expected_accuracy = 0;  ///< cross-validated: chosen on four fifths, counted on the fifth
  std::array<double, 2> interval95 = {};            ///< of expected_accuracy (Wilson)
  double expected_escalated = 0;                    ///< cross-validated
  double fast_accuracy = 0, accurate_accuracy = 0;  ///< of each alone
  std::size_t examples = 0;
};

/// Chooses a cascade's threshold by examples that calibration did not see. `relative_cost`: of a call of the
/// fast model, where one of the accurate model costs 1 (time, or multiplications).
class ThresholdChooser {
 public:
  /// Errors (kInvalidArgument): fewer than kFewest examples; a confidence or cost that is none.
  static Result<ThresholdChooser> make(std::vector<CascadeExample> examples, double relative_cost);
  static constexpr std::size_t kFewest = 20;

  /// Every cascade that differs, from one that never escalates to one that always does.
  [[nodiscard]] std::vector<CascadePoint> sweep() const;

  /// The cheapest cascade that is right in at least this share of cases. Errors (kInvalidArgument): none is;
  /// the message says what can be reached.
  [[nodiscard]] Result<ThresholdChoice> for_accuracy(double target) const;

  /// The most accurate cascade whose cost is at most this, in calls of the accurate model; the cheapest of
  /// those. Errors (kInvalidArgument): the fast model alone costs more.
  [[nodiscard]] Result<ThresholdChoice> for_budget(double budget) const;

 private:
  ThresholdChooser(std::vector<CascadeExample> examples, double relative_cost)
      : examples_(std::move(examples)), relative_cost_(relative_cost) {}

  template <class Choose>
  [[nodiscard]] ThresholdChoice judged(const CascadePoint& chosen, const Choose& choose) const;

  std::vector<CascadeExample> examples_;
  double relative_cost_;
};

}  // namespace fovea::routing
