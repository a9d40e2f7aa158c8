#pragma once

#include <cstdint>

namespace fovea::synth {

/// SplitMix64: a small generator whose whole state is its seed. Source: Steele, Lea and Flood 2014.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  /// A whole number below `bound`.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  /// About normal with mean 0 and deviation 1: the sum of four uniform numbers.
  float normal() {
    const std::uint64_t bits = next();
    const auto sum = static_cast<float>((bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) +
                                        (bits >> 48));
    constexpr float kMean = 2 * 65535.0F;
    constexpr float kDeviation = 37836.9F;  // 65535 / sqrt(3)
    return (sum - kMean) / kDeviation;
  }

 private:
  std::uint64_t state_;
};

}  // namespace fovea::synth
