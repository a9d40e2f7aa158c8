#pragma once

#include <optional>

namespace fovea::bench {

/// The most memory that this process held at once (VmHWM) since it began or since reset_peak_memory, in units
/// of 10^6 bytes; mapped files count where they were touched. Nothing where the system does not say.
std::optional<double> peak_memory_mb();

/// Lets the peak start again from what is held now. False where the system does not allow it.
bool reset_peak_memory();

}  // namespace fovea::bench
