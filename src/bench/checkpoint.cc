#include "bench/checkpoint.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "compress/quantize.h"

namespace fovea::bench {
namespace fs = std::filesystem;
namespace {

/// The value of an environment variable that names a folder; empty when it does not.
fs::path folder_from(const char* variable) {
  const char* value =
      std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here sets the environment
  return value == nullptr ? fs::path() : fs::path(value);
}

fs::path cache_folder() {
  if (const fs::path cache = folder_from("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "fovea";
  if (const fs::path home = folder_from("HOME"); home.is_absolute()) return home / ".cache" / "fovea";
  std::error_code ignored;
  return fs::temp_directory_path(ignored) / "fovea";
}

constexpr const char* kPartSuffix = ".part";

/// Removes what runs left that were ended from outside: "synthetic-PRESET.PROCESS.part" of no living process.
void remove_abandoned(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const fs::path name = entry.path().filename();
    if (!name.string().starts_with("synthetic-") || name.extension() != kPartSuffix) continue;
    const std::string process = name.stem().extension().string();  // ".1234"
    const int id = process.size() > 1 ? std::atoi(process.c_str() + 1) : 0;
    if (id > 0 && ::kill(id, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

Result<SyntheticCheckpoint> SyntheticCheckpoint::make(const std::string& preset,
                                                      std::optional<nn::Precision> weights, bool keep,
                                                      const synth::Progress& progress) {
  const fs::path stored = cache_folder() / fmt::format("synthetic-{}", preset);
  remove_abandoned(stored.parent_path());
  const auto write_stored = [&](const fs::path& part) {
    return synth::write_checkpoint({.preset = preset}, part, progress);
  };
  const bool quantized = weights == nn::Precision::kInt8 || weights == nn::Precision::kInt4;
  if (!quantized) return find_or_write(stored, keep, write_stored);
  const fs::path packed = fmt::format("{}-{}", stored.string(), nn::precision_name(*weights));
  return find_or_write(packed, keep, [&](const fs::path& part) -> Result<void> {
    FOVEA_TRY(const SyntheticCheckpoint source, find_or_write(stored, /*keep=*/false, write_stored));
    const auto done = compress::quantize_checkpoint(source.directory(), part, {.weights = *weights});
    if (!done) return std::unexpected(done.error());
    return {};
  });
}

Result<SyntheticCheckpoint> SyntheticCheckpoint::find_or_write(
    const fs::path& directory, bool keep, const std::function<Result<void>(const fs::path& part)>& write) {
  std::error_code error;
  // The name is given only to a folder that was written to its end, so what is found is complete.
  if (fs::exists(directory / "config.json", error)) return SyntheticCheckpoint(directory, false);
  SyntheticCheckpoint part(fmt::format("{}.{}{}", directory.string(), ::getpid(), kPartSuffix), true);
  FOVEA_CHECK_OK(write(part.directory_));
  if (!keep) return part;
  fs::rename(part.directory_, directory, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: {}", directory.string(), error.message()));
  part.remove_ = false;
  return SyntheticCheckpoint(directory, false);
}

SyntheticCheckpoint::SyntheticCheckpoint(SyntheticCheckpoint&& other) noexcept
    : directory_(std::move(other.directory_)), remove_(std::exchange(other.remove_, false)) {}

SyntheticCheckpoint& SyntheticCheckpoint::operator=(SyntheticCheckpoint&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(remove_, other.remove_);
  return *this;
}

SyntheticCheckpoint::~SyntheticCheckpoint() {
  std::error_code ignored;  // nobody is left to tell; the folder is named as a cache
  if (remove_) fs::remove_all(directory_, ignored);
}

}  // namespace fovea::bench
