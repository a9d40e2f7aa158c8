#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fovea::evaluate {

/// What a number measures, which decides the units it may stand in.
enum class Dimension {
  kShare,  ///< 0.8 or 80%
  kTime,   ///< in ms; written with us, ms, s or min
  kBytes,  ///< written with B, KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)
  kRate,   ///< a second: 12 or 12/s
  kCount,  ///< 582, or 10K, 3.5M, 2B
};

/// Reads a number with its unit, spaces between them allowed: a share as a fraction, a time in ms, bytes, a
/// rate a second. Units are read strictly: a time or a size without one is refused, and so is MS for ms.
/// Errors (kUsage): what was found and what was expected.
Result<double> parse_quantity(std::string_view text, Dimension dimension);

/// For people, with three significant digits or more: "87.5 %", "0.231 ms", "19.9 MB", "1,250/s", "3.49 M".
std::string format_quantity(double value, Dimension dimension);

}  // namespace fovea::evaluate
