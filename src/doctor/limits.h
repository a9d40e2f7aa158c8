#pragma once

#include <filesystem>
#include <vector>

#include "doctor/doctor.h"

namespace fovea::doctor {

/// The processor's name and what of its instructions kernels can use.
std::vector<Finding> processor(const std::filesystem::path& root);

/// Memory, the limits of this process, and those of the control group it is in.
std::vector<Finding> limits(const std::filesystem::path& root);

}  // namespace fovea::doctor
