#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace fovea::tensor {

/// A tensor inside a mapped file: valid while the SafeTensors that gave it lives.
struct StoredTensor {
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;

  [[nodiscard]] std::size_t elements() const;
};

/// The tensors of one or more memory-mapped safetensors files, by name. Immutable, so any thread may read.
///
/// A header is hostile until shown otherwise: its length must lie inside the file, every tensor's offsets
/// inside the data and equal to its shape times its type, no two tensors may overlap, no name may stand
/// twice.
class SafeTensors {
 public:
  /// One file. Errors: kNotFound, kIo, kInvalidModel (naming the file and the reason).
  static Result<SafeTensors> open(const std::filesystem::path& path);

  /// A checkpoint directory: `model.safetensors`, or else the shards named by
  /// `model.safetensors.index.json`. Errors: likewise.
  static Result<SafeTensors> open_checkpoint(const std::filesystem::path& directory);

  /// Null when there is no such tensor.
  [[nodiscard]] const StoredTensor* find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const { return paths_; }

 private:
  Result<void> add_file(const std::filesystem::path& path);

  std::vector<std::filesystem::path> paths_;
  std::vector<MappedFile> maps_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

/// A tensor to be written.
struct NamedTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;
};

/// The file header (length field included) for tensors of these shapes in this order, data following
/// directly. Their bytes are not looked at.
std::string safetensors_header(std::span<const NamedTensor> tensors);

/// Writes a whole file. Errors: kIo.
Result<void> write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace fovea::tensor
