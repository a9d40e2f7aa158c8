// Where the tests find their data and the programs. One source file alone knows the absolute paths, so that
// every other test compiles to the same object in any clone.
#pragma once

#include <filesystem>

namespace fovea::test {

/// The top of the source tree.
const std::filesystem::path& source_folder();

/// The folder that this build writes to, in which `fovea` lies.
const std::filesystem::path& build_folder();

/// tests/data of the source tree.
const std::filesystem::path& data_folder();

}  // namespace fovea::test
