#pragma once

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace fovea::evaluate {

/// A confidence that was given, and whether what it was given for was right.
struct Scored {
  double confidence = 0;
  bool right = false;
};

/// Answers whose confidence lies in [low, high), the last one with 1.
struct ReliabilityBin {
  double low = 0, high = 0;
  std::size_t count = 0;
  double mean_confidence = 0;
  double accuracy = 0;
};

/// How far confidences are from how often answers are right.
struct Reliability {
  std::size_t n = 0;
  /// Expected calibration error: the mean over answers of |accuracy - mean confidence| of their bin, ten bins
  /// of equal width (Guo et al. 2017).
  double error = 0;
  std::array<double, 2> interval95{0, 1};  ///< of the error, by 1,000 bootstrap samples with a fixed seed
  std::vector<ReliabilityBin> bins;

  /// `{"n", "ece", "interval95", "bins": [{"low", "high", "count", "confidence", "accuracy"}]}`.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
  /// The diagram as an SVG picture: accuracy against confidence, with the number of answers in each bin.
  [[nodiscard]] std::string to_svg(const std::string& title) const;
};

Reliability reliability(std::span<const Scored> answers);

}  // namespace fovea::evaluate
