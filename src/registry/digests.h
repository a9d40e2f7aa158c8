#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"

namespace fovea::registry {

/// SHA-256 of whole files. Those of large files are remembered between runs, in one file of the user's, under
/// what the system says about a file: device, inode, size, and the times of its last modification and of its
/// last change (st_ctime, which programs cannot set). Where any of them differs, the file is read again.
///
/// What this cannot see: a write that leaves st_ctime as it was. Linux has two such: one within the same
/// tick of the clock, which is why a file that changed in the last seconds is not remembered; and one
/// through memory that another process has mapped for writing since before the file was read here.
class FileDigests {
 public:
  using Clock = std::chrono::system_clock;

  /// Files smaller than this are always read.
  static constexpr std::uintmax_t kRememberedBytes = std::uintmax_t{1} << 20;
  /// A file is remembered when its last change is at least this long ago.
  static constexpr std::chrono::seconds kSettled{2};
  static constexpr std::size_t kMostEntries = 256;

  /// `store` need not exist; empty: nothing is remembered.
  explicit FileDigests(std::filesystem::path store, std::function<Clock::time_point()> now = Clock::now)
      : store_(std::move(store)), now_(std::move(now)) {}

  /// `$XDG_STATE_HOME/fovea/digests` (default `~/.local/state/fovea/digests`); empty without a home.
  static std::filesystem::path default_store();

  /// The digest of the file's bytes in 64 hexadecimal digits. A store that cannot be read, is damaged, is not
  /// this user's or can be written by others counts as empty; one that cannot be written stays as it was.
  /// Safe from several processes at once. Errors: kIo, kNotFound.
  [[nodiscard]] Result<std::string> of(const std::filesystem::path& file) const;

 private:
  std::filesystem::path store_;
  std::function<Clock::time_point()> now_;
};

}  // namespace fovea::registry
