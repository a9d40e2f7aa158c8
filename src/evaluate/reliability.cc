#include "evaluate/reliability.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace fovea::evaluate {
namespace {

constexpr std::size_t kBins = 10;
constexpr std::size_t kSamples = 1000;

std::size_t bin_of(double confidence) {
  const double place = std::clamp(confidence, 0.0, 1.0) * static_cast<double>(kBins);
  return std::min(kBins - 1, static_cast<std::size_t>(place));
}

/// What the answers of one bin add up to.
struct Sums {
  std::size_t count = 0;
  double confidence = 0;
  double right = 0;
};

double error_of(const std::array<Sums, kBins>& bins, std::size_t n) {
  double error = 0;
  for (const Sums& bin : bins) error += std::abs(bin.right - bin.confidence);
  return n == 0 ? 0 : error / static_cast<double>(n);
}

void add(std::array<Sums, kBins>& bins, const Scored& answer) {
  Sums& bin = bins[bin_of(answer.confidence)];
  ++bin.count;
  bin.confidence += answer.confidence;
  bin.right += answer.right ? 1 : 0;
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same samples on every machine.
std::uint64_t next(std::uint64_t& state) {
  std::uint64_t z = state += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

Reliability reliability(std::span<const Scored> answers) {
  Reliability result;
  result.n = answers.size();
  if (answers.empty()) return result;
  std::array<Sums, kBins> bins;
  for (const Scored& answer : answers) add(bins, answer);
  result.error = error_of(bins, answers.size());
  for (std::size_t i = 0; i < kBins; ++i) {
    const auto count = static_cast<double>(std::max<std::size_t>(1, bins[i].count));
    result.bins.push_back({.low = static_cast<double>(i) / kBins,
                           .high = static_cast<double>(i + 1) / kBins,
                           .count = bins[i].count,
                           .mean_confidence = bins[i].confidence / count,
                           .accuracy = bins[i].right / count});
  }
  std::vector<double> errors;
  std::uint64_t state = 1;
  for (std::size_t sample = 0; sample < kSamples; ++sample) {
    std::array<Sums, kBins> drawn;
    for (std::size_t i = 0; i < answers.size(); ++i) add(drawn, answers[next(state) % answers.size()]);
    errors.push_back(error_of(drawn, answers.size()));
  }
  std::ranges::sort(errors);
  result.interval95 = {errors[kSamples * 25 / 1000], errors[kSamples * 975 / 1000 - 1]};
  return result;
}

nlohmann::ordered_json Reliability::to_json() const {
  nlohmann::ordered_json json{{"n", n}, {"ece", error}, {"interval95", interval95}};
  json["bins"] = nlohmann::ordered_json::array();
  for (const ReliabilityBin& bin : bins) {
    if (bin.count == 0) continue;
    json["bins"].push_back({{"low", bin.low},
                            {"high", bin.high},
                            {"count", bin.count},
                            {"confidence", bin.mean_confidence},
                            {"accuracy", bin.accuracy}});
  }
  return json;
}

std::string Reliability::to_svg(const std::string& title) const {
  constexpr int kSide = 320;
  constexpr int kLeft = 52;
  constexpr int kTop = 40;
  const auto x = [&](double share) { return kLeft + share * kSide; };
  const auto y = [&](double share) { return kTop + (1 - share) * kSide; };
  std::string text;
  for (const char c : title) text += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{}\" y=\"22\" "
      "font-size=\"14\">{}</text>\n",
      kLeft + kSide + 24, kTop + kSide + 56, kLeft, text);
  for (int tick = 0; tick <= 10; tick += 2) {
    const double share = tick / 10.0;
    svg += fmt::format(
        "<line x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{4}\" "
        "text-anchor=\"end\">{5}</text><text x=\"{6}\" y=\"{7}\" text-anchor=\"middle\">{5}</text>\n",
        x(0), y(share), x(1), kLeft - 6, y(share) + 4, share, x(share), kTop + kSide + 16);
  }
  for (const ReliabilityBin& bin : bins) {
    if (bin.count == 0) continue;
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#4a7ab5\"/><text "
        "x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"10\">{}</text>\n",
        x(bin.low) + 2, y(bin.accuracy), kSide * (bin.high - bin.low) - 4, kSide * bin.accuracy,
        x((bin.low + bin.high) / 2), y(bin.accuracy) - 4, bin.count);
  }
  svg += fmt::format(
      "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#333\" stroke-dasharray=\"4 4\"/>\n"
      "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">confidence</text>\n"
      "<text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">share that is right</text>\n"
      "<text x=\"{}\" y=\"{}\">calibration error {:.1f} % ({:.1f} to {:.1f}), {} answers</text>\n</svg>\n",
      x(0), y(0), x(1), y(1), x(0.5), kTop + kSide + 32, y(0.5), kLeft, kTop + kSide + 50, 100 * error,
      100 * interval95[0], 100 * interval95[1], n);
  return svg;
}

}  // namespace fovea::evaluate
