#include "support/paths.h"

namespace fovea::test {

const std::filesystem::path& source_folder() {
  static const std::filesystem::path folder = FOVEA_SOURCE_DIR;
  return folder;
}

const std::filesystem::path& build_folder() {
  static const std::filesystem::path folder = FOVEA_BINARY_DIR;
  return folder;
}

const std::filesystem::path& data_folder() {
  static const std::filesystem::path folder = source_folder() / "tests/data";
  return folder;
}

}  // namespace fovea::test
