#include "routing/threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/statistics.h"

namespace fovea::routing {
namespace {

constexpr std::size_t kFolds = 5;

double share(std::size_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// Every cascade over these examples: sorted by confidence, each distinct confidence begins one.
std::vector<CascadePoint> sweep_over(std::vector<CascadeExample> examples, double relative_cost) {
  std::ranges::sort(examples, {}, &CascadeExample::confidence);
  const std::size_t n = examples.size();
  auto right = static_cast<std::size_t>(std::ranges::count_if(examples, &CascadeExample::fast_right));
  std::vector<CascadePoint> points;
  for (std::size_t escalated = 0; escalated <= n; ++escalated) {
    const bool tied = escalated > 0 && escalated < n &&
                      examples[escalated].confidence == examples[escalated - 1].confidence;
    // A confidence of 1 is never below a threshold, which is at most 1.
    const bool possible = escalated < n || examples.back().confidence < 1;
    if (!tied && possible) {
      const double below = escalated == 0 ? 0 : examples[escalated - 1].confidence;
      const double above = escalated == n ? 1 : examples[escalated].confidence;
      // In the middle between two confidences; where doubles have no middle, at the upper one.
      double threshold = escalated == 0 ? 0 : below + (above - below) / 2;
      if (threshold <= below && escalated > 0) threshold = above;
      points.push_back({.threshold = threshold,
                        .escalated = share(escalated, n),
                        .accuracy = share(right, n),
                        .cost = relative_cost + share(escalated, n)});
    }
    if (escalated < n) {
      right += examples[escalated].accurate_right ? 1 : 0;
      right -= examples[escalated].fast_right ? 1 : 0;
    }
  }
  return points;
}

std::optional<CascadePoint> cheapest(const std::vector<CascadePoint>& points, double target) {
  for (const CascadePoint& point : points) {
    if (point.accuracy >= target) return point;  // they come in the order of their cost
  }
  return std::nullopt;
}

CascadePoint most_accurate(const std::vector<CascadePoint>& points, double budget) {
  CascadePoint best = points.front();
  for (const CascadePoint& point : points) {
    if (point.cost <= budget && point.accuracy > best.accuracy) best = point;
  }
  return best;
}

}  // namespace

Result<ThresholdChooser> ThresholdChooser::make(std::vector<CascadeExample> examples, double relative_cost) {
  if (examples.size() < kFewest) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("expected at least {} pictures to choose a threshold by, found {}", kFewest,
                            examples.size()));
  }
  for (const CascadeExample& example : examples) {
    if (!(example.confidence >= 0 && example.confidence <= 1)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("expected confidences from 0 to 1, found {}", example.confidence));
    }
  }
  if (!(relative_cost >= 0 && std::isfinite(relative_cost))) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("expected the fast model's relative cost to be at least 0, found {}", relative_cost));
  }
  return ThresholdChooser(std::move(examples), relative_cost);
}

std::vector<CascadePoint> ThresholdChooser::sweep() const {
  return sweep_over(examples_, relative_cost_);
}

/// `choose`: from the points of some examples the one that would be taken.
template <class Choose>
ThresholdChoice ThresholdChooser::judged(const CascadePoint& chosen, const Choose& choose) const {
  std::size_t right = 0, escalated = 0, fast = 0, accurate = 0;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<CascadeExample> others;
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      if (i % kFolds != fold) others.push_back(examples_[i]);
    }
    const double threshold = choose(sweep_over(std::move(others), relative_cost_)).threshold;
    for (std::size_t i = fold; i < examples_.size(); i += kFolds) {
      const CascadeExample& example = examples_[i];
      const bool up = example.confidence < threshold;
      escalated += up ? 1 : 0;
      right += (up ? example.accurate_right : example.fast_right) ? 1 : 0;
      fast += example.fast_right ? 1 : 0;
      accurate += example.accurate_right ? 1 : 0;
    }
  }
  const std::size_t n = examples_.size();
  return {.chosen = chosen,
          .expected_accuracy = share(right, n),
          .interval95 = wilson_interval95(right, n),
          .expected_escalated = share(escalated, n),
          .fast_accuracy = share(fast, n),
          .accurate_accuracy = share(accurate, n),
          .examples = n};
}

Result<ThresholdChoice> ThresholdChooser::for_accuracy(double target) const {
  const std::vector<CascadePoint> points = sweep();
  const auto chosen = cheapest(points, target);
  if (!chosen) {
    const auto best = std::ranges::max_element(points, {}, &CascadePoint::accuracy);
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("no threshold reaches an accuracy of {:.4f} on {} pictures: the most is {:.4f}, "
                            "with {:.1f} % of them escalated",
                            target, examples_.size(), best->accuracy, 100 * best->escalated));
  }
  return judged(*chosen, [&](const std::vector<CascadePoint>& some) {
    // Four fifths may miss the target that all reach: then whoever sees them escalates as well as they can.
    return cheapest(some, target).value_or(most_accurate(some, relative_cost_ + 1));
  });
}

Result<ThresholdChoice> ThresholdChooser::for_budget(double budget) const {
  if (!(budget >= relative_cost_)) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("expected a budget of at least {:.4f} calls of the accurate model a picture, which "
                    "is what the fast model costs, found {:.4f}",
                    relative_cost_, budget));
  }
  return judged(most_accurate(sweep(), budget),
                [&](const std::vector<CascadePoint>& some) { return most_accurate(some, budget); });
}

}  // namespace fovea::routing
