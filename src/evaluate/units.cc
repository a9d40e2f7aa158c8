#include "evaluate/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <system_error>

#include "base/shorten.h"

namespace fovea::evaluate {
namespace {

struct Unit {
  std::string_view name;
  double factor;
  double divisor = 1;  // 57% is 0.57 to the bit, which 57 * 0.01 is not
};

constexpr double kKibi = 1024;
constexpr std::array kShareUnits{Unit{"", 1}, Unit{"%", 1, 100}};
constexpr std::array kTimeUnits{Unit{"us", 1, 1e3}, Unit{"ms", 1}, Unit{"s", 1e3}, Unit{"min", 6e4}};
constexpr std::array kByteUnits{Unit{"B", 1},
                                Unit{"KB", 1e3},
                                Unit{"MB", 1e6},
                                Unit{"GB", 1e9},
                                Unit{"TB", 1e12},
                                Unit{"KiB", kKibi},
                                Unit{"MiB", kKibi* kKibi},
                                Unit{"GiB", kKibi* kKibi* kKibi},
                                Unit{"TiB", kKibi* kKibi* kKibi* kKibi}};
constexpr std::array kRateUnits{Unit{"", 1}, Unit{"/s", 1}};
constexpr std::array kCountUnits{Unit{"", 1}, Unit{"K", 1e3}, Unit{"M", 1e6}, Unit{"B", 1e9}};

std::span<const Unit> units_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::kShare:
      return kShareUnits;
    case Dimension::kTime:
      return kTimeUnits;
    case Dimension::kBytes:
      return kByteUnits;
    case Dimension::kRate:
      return kRateUnits;
    case Dimension::kCount:
      break;
  }
  return kCountUnits;
}

const char* expected(Dimension dimension) {
  switch (dimension) {
    case Dimension::kShare:
      return "a share from 0 to 1, or per cent, such as 0.8 or 80%";
    case Dimension::kTime:
      return "a time with its unit (us, ms, s, min), such as 250ms";
    case Dimension::kBytes:
      return "a size with its unit (B, KB, MB, GB, TB, or KiB, MiB, GiB, TiB), such as 2GB";
    case Dimension::kRate:
      return "a rate, such as 12 or 12/s";
    case Dimension::kCount:
      break;
  }
  return "a number, such as 582, 10K, 3.5M or 2B";
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Three significant digits, and all digits before the point.
std::string digits(double value) {
  const double size = std::abs(value);
  const int decimals = size == 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
  return fmt::format("{:.{}f}", value, decimals);
}

std::string scaled(double value, std::span<const Unit> units) {
  const Unit* chosen = &units.front();
  for (const Unit& unit : units) {
    if (std::abs(value) >= 0.9995 * unit.factor) chosen = &unit;
  }
  return fmt::format("{}{}{}", digits(value / chosen->factor), chosen->name.empty() ? "" : " ", chosen->name);
}

}  // namespace

Result<double> parse_quantity(std::string_view text, Dimension dimension) {
  const std::string_view whole = trimmed(text);
  const auto wrong = [&] {
    return fail(ErrorCode::kUsage,
                fmt::format("\"{}\" is no value here: expected {}", shorten(whole, 40), expected(dimension)));
  };
  double value = 0;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (error != std::errc() || !std::isfinite(value) || value < 0) return wrong();
  const std::string_view unit = trimmed({end, static_cast<std::size_t>(whole.data() + whole.size() - end)});
  for (const Unit& known : units_of(dimension)) {
    if (known.name != unit) continue;
    value = value * known.factor / known.divisor;
    if (dimension == Dimension::kShare && value > 1) return wrong();
    return value;
  }
  return wrong();
}

std::string format_quantity(double value, Dimension dimension) {
  switch (dimension) {
    case Dimension::kShare:
      return fmt::format("{:.1f} %", 100 * value);
    case Dimension::kTime: {
      // A tenth of a microsecond is more than any clock here tells.
      constexpr double kSecond = 1000;
      if (std::abs(value) >= 9.9995 * kSecond) return digits(value / kSecond) + " s";
      return digits(value) + " ms";
    }
    case Dimension::kBytes:
      return scaled(value, std::span(kByteUnits).first(5));
    case Dimension::kRate:
      return digits(value) + "/s";
    case Dimension::kCount:
      break;
  }
  if (value < 1e6) return fmt::format("{:.0f}", value);
  return scaled(value, kCountUnits);
}

}  // namespace fovea::evaluate
