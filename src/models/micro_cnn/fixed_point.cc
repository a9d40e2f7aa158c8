#include "models/micro_cnn/fixed_point.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace fovea::models::micro_cnn {
namespace {

constexpr double kOne = 32768.0;

std::uint16_t to_fixed(double value) {
  return static_cast<std::uint16_t>(std::floor(value * kOne + 0.5));
}

std::array<std::uint16_t, 128> exp_table(double unit) {
  std::array<std::uint16_t, 128> table{};
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = to_fixed(std::exp(-static_cast<double>(i) * unit));
  return table;
}

}  // namespace

Rescale to_rescale(double factor) {
  // factor = fraction x 2^exponent with the fraction in [0.5, 1): the multiplier is the fraction in 2^-31.
  int exponent = 0;
  const double fraction = std::frexp(std::clamp(factor, 0x1p-31, 0x1p28), &exponent);
  auto multiplier = static_cast<std::int64_t>(std::llround(fraction * 0x1p31));
  if (multiplier == std::int64_t{1} << 31) {
    multiplier /= 2;
    ++exponent;
  }
  return {.multiplier = static_cast<std::int32_t>(multiplier),
          .shift = static_cast<std::uint8_t>(31 - exponent)};
}

const std::array<std::uint16_t, 256>& gate_table() {
  static const auto kTable = [] {
    std::array<std::uint16_t, 256> table{};
    for (std::size_t i = 0; i < table.size(); ++i) {
      table[i] = to_fixed(1.0 / (1.0 + std::exp((128.0 - static_cast<double>(i)) / kGateScale)));
    }
    return table;
  }();
  return kTable;
}

const std::array<std::uint16_t, 128>& exp_eighths() {
  static const auto kTable = exp_table(1.0 / 8);
  return kTable;
}

const std::array<std::uint16_t, 128>& exp_fine() {
  static const auto kTable = exp_table(1.0 / 1024);
  return kTable;
}

std::uint32_t inverse_temperature(float temperature) {
  return static_cast<std::uint32_t>(std::max(1LL, std::llround(65536.0 / temperature)));
}

std::vector<std::int32_t> fixed_softmax(std::span<const std::int32_t> logits,
                                        std::uint32_t inverse_temperature) {
  constexpr std::uint64_t kMostDistance = (128U << 7) - 1;  // exp(-16): nothing in 2^-15
  assert(!logits.empty());
  const std::int32_t highest = *std::ranges::max_element(logits);
  std::vector<std::uint32_t> powers;
  powers.reserve(logits.size());
  std::uint32_t sum = 0;
  for (const std::int32_t logit : logits) {
    const auto difference = static_cast<std::uint32_t>(highest - logit);
    const std::uint64_t scaled = (std::uint64_t{difference} * inverse_temperature + (1U << 15)) >> 16;
    const auto distance = static_cast<std::uint32_t>(std::min(scaled, kMostDistance));
    const std::uint32_t power =
        (std::uint32_t{exp_eighths()[distance >> 7]} * exp_fine()[distance & 127] + (1U << 14)) >> 15;
    powers.push_back(power);
    sum += power;
  }
  // The highest logit alone adds 2^15: the sum is not zero.
  std::vector<std::int32_t> probabilities;
  probabilities.reserve(powers.size());
  for (const std::uint32_t power : powers) {
    probabilities.push_back(static_cast<std::int32_t>(((power << 15) + sum / 2) / std::max(sum, 1U)));
  }
  return probabilities;
}

}  // namespace fovea::models::micro_cnn
