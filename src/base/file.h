#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fovea {

/// The whole file as bytes. Errors: kNotFound, kIo (a folder, no permission), kTooLarge over `max_bytes`.
/// Give a limit for whatever comes from outside: memory for the file's size is taken at once.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes = SIZE_MAX);

/// All of standard input. Errors: kIo; kTooLarge over `max_bytes`.
Result<std::string> read_standard_input(std::size_t max_bytes);

/// Writes `bytes` to `path` through a temporary file beside it and a rename, so that a reader never sees half
/// a file, whatever else writes it at the same time; the last writer wins. On an error the old file stays as
/// it was. A device or a pipe is written to as it is. Errors: kIo.
Result<void> write_file(const std::filesystem::path& path, std::string_view bytes);
/// The same with the file's content in parts, one behind the other, so that a large one is never held twice.
Result<void> write_file(const std::filesystem::path& path, std::span<const std::string_view> parts);

/// A read-only memory map of a whole file; unmapped when destroyed. Movable.
class MappedFile {
 public:
  /// Errors: kNotFound, kIo. An empty file maps to an empty span.
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fovea
