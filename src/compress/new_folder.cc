#include "compress/new_folder.h"

#include <fmt/format.h>

#include <string>

namespace fovea::compress {

namespace fs = std::filesystem;

Result<void> copy_other_files(const fs::path& source, const fs::path& destination) {
  for (const fs::directory_entry& entry : fs::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    const bool weights =
        entry.path().extension() == ".safetensors" || name.ends_with(".safetensors.index.json");
    if (!entry.is_regular_file() || weights || name == "config.json" || name.starts_with('.')) continue;
    std::error_code error;
    fs::copy_file(entry.path(), destination / name, error);
    if (error) {
      return fail(ErrorCode::kIo, fmt::format("{}: cannot copy to {}: {}", entry.path().string(),
                                              destination.string(), error.message()));
    }
  }
  return {};
}

Result<void> write_new_folder(const fs::path& destination,
                              const std::function<Result<void>(const fs::path& folder)>& fill) {
  std::error_code error;
  if (fs::exists(destination, error)) {
    return fail(ErrorCode::kUsage, fmt::format("{}: exists; expected a new folder", destination.string()));
  }
  fs::path unfinished = destination;
  if (!unfinished.has_filename()) unfinished = unfinished.parent_path();
  const fs::path target = unfinished;
  unfinished += ".unfinished";
  fs::remove_all(unfinished, error);
  if (!fs::create_directories(unfinished, error)) {
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot make this folder: {}", unfinished.string(), error.message()));
  }
  Result<void> done = fill(unfinished);
  if (done) {
    fs::rename(unfinished, target, error);
    if (error) {
      done = fail(ErrorCode::kIo, fmt::format("{}: cannot rename to {}: {}", unfinished.string(),
                                              target.string(), error.message()));
    }
  }
  if (!done) fs::remove_all(unfinished, error);
  return done;
}

}  // namespace fovea::compress
