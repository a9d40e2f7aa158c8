#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fovea::models::micro_cnn {

// The integer arithmetic of quantised micro CNNs, to the bit; docs/micro-cnn.md is its description, and the C
// that fovea export-edge writes computes the same.

/// A positive factor as multiplier x 2^-shift, the multiplier in [2^30, 2^31).
struct Rescale {
  std::int32_t multiplier = kLeastMultiplier;
  std::uint8_t shift = kMostShift;

  static constexpr std::int32_t kLeastMultiplier = std::int32_t{1} << 30;
  static constexpr std::uint8_t kLeastShift = 1;
  static constexpr std::uint8_t kMostShift = 62;
};

/// The nearest such number to a factor in (2^-32, 2^29); one outside takes the nearest that there is.
Rescale to_rescale(double factor);

/// x times the factor, to the nearest integer, halves away from zero, held in [-limit, limit].
inline std::int32_t rescale(std::int32_t x, const Rescale& factor, std::int32_t limit) {
  const std::uint32_t magnitude = x < 0 ? 0U - static_cast<std::uint32_t>(x) : static_cast<std::uint32_t>(x);
  const std::uint64_t product = std::uint64_t{magnitude} * static_cast<std::uint32_t>(factor.multiplier);
  const std::uint64_t rounded = (product + (std::uint64_t{1} << (factor.shift - 1))) >> factor.shift;
  const auto most = static_cast<std::uint64_t>(limit);
  const auto held = static_cast<std::int32_t>(rounded < most ? rounded : most);
  return x < 0 ? -held : held;
}

inline constexpr std::int32_t kMostUnsigned = 255;  ///< of an activation that is never negative
inline constexpr std::int32_t kMostSigned = 127;    ///< of one that may be, and of an int8 weight
inline constexpr std::int32_t kMostInt4 = 7;        ///< of an int4 weight

/// Means carry four bits more than what they are means of.
inline constexpr std::int32_t kMeanScale = 16;
/// (16 |sum| + n / 2) / n with the sign of the sum.
inline std::int32_t rounded_mean(std::int32_t sum, std::int32_t n) {
  const std::int32_t magnitude = sum < 0 ? -sum : sum;
  const std::int32_t mean = (kMeanScale * magnitude + n / 2) / n;
  return sum < 0 ? -mean : mean;
}

/// The logits' unit is 2^-10.
inline constexpr std::int32_t kLogitScale = 1024;
inline constexpr std::int32_t kMostLogit = std::int32_t{1} << 24;

/// A gate's argument comes in 16ths, from -8 to 8; the gate in 2^-15.
inline constexpr std::int32_t kGateScale = 16;
inline constexpr std::int32_t kGateOne = std::int32_t{1} << 15;
/// sigmoid((i - 128) / 16) in 2^-15.
const std::array<std::uint16_t, 256>& gate_table();
/// A gate scales a channel by (|x| factor + 2^15) >> 16, with a factor of at most this.
inline constexpr std::int32_t kMostGateFactor = (std::int32_t{1} << 23) - 1;

/// exp(-i / 8) and exp(-i / 1024) in 2^-15.
const std::array<std::uint16_t, 128>& exp_eighths();
const std::array<std::uint16_t, 128>& exp_fine();

/// 1 / temperature in 2^-16, at least 1.
std::uint32_t inverse_temperature(float temperature);

/// The probabilities in 2^-15 of logits in 2^-10: exp of the (scaled) distance to the highest by the two
/// tables, each divided by the sum and rounded. They need not add up to 2^15.
std::vector<std::int32_t> fixed_softmax(std::span<const std::int32_t> logits,
                                        std::uint32_t inverse_temperature);

}  // namespace fovea::models::micro_cnn
