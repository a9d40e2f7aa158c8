#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "nn/weight.h"
#include "synth/checkpoint.h"

namespace fovea::bench {

/// A checkpoint with random weights for one measurement, in a folder that other runs find too. It is removed
/// at the end of its scope unless it is kept or was already there.
class SyntheticCheckpoint {
 public:
  /// Takes the complete checkpoint of this preset in `$XDG_CACHE_HOME/fovea` (default `~/.cache/fovea`,
  /// without a home the folder for temporary files), or writes one: int8 and int4 packed, as `fovea quantize`
  /// does, other types in bfloat16. Errors: kUsage (unknown preset), kIo.
  static Result<SyntheticCheckpoint> make(const std::string& preset, std::optional<nn::Precision> weights,
                                          bool keep, const synth::Progress& progress);

  SyntheticCheckpoint(SyntheticCheckpoint&& other) noexcept;
  SyntheticCheckpoint& operator=(SyntheticCheckpoint&& other) noexcept;
  SyntheticCheckpoint(const SyntheticCheckpoint&) = delete;
  SyntheticCheckpoint& operator=(const SyntheticCheckpoint&) = delete;
  ~SyntheticCheckpoint();

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

 private:
  SyntheticCheckpoint(std::filesystem::path directory, bool remove)
      : directory_(std::move(directory)), remove_(remove) {}

  /// The complete folder, or what `write` leaves in a new one; that is given the name if it is kept.
  static Result<SyntheticCheckpoint> find_or_write(
      const std::filesystem::path& directory, bool keep,
      const std::function<Result<void>(const std::filesystem::path& part)>& write);

  std::filesystem::path directory_;
  bool remove_;
};

}  // namespace fovea::bench
