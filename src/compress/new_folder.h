#pragma once

#include <filesystem>
#include <functional>

#include "base/result.h"

namespace fovea::compress {

/// Lets `fill` write a checkpoint to a folder beside `destination`, which is then renamed: whoever looks sees
/// no checkpoint or a whole one, and an error leaves nothing. Errors: kUsage (the destination exists), kIo,
/// and what `fill` gives.
Result<void> write_new_folder(const std::filesystem::path& destination,
                              const std::function<Result<void>(const std::filesystem::path& folder)>& fill);

/// Copies what is neither weights, config.json nor hidden. Errors: kIo.
Result<void> copy_other_files(const std::filesystem::path& source, const std::filesystem::path& destination);

}  // namespace fovea::compress
