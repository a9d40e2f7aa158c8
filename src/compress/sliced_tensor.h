#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::compress {

/// The bytes of a tensor with only these indices of an axis left, in their order.
std::string slice_bytes(std::span<const std::byte> bytes, const std::vector<std::size_t>& shape,
                        std::size_t element_bytes, std::size_t axis, const std::vector<std::size_t>& kept);

/// A float tensor that slices are taken out of.
struct SlicedTensor {
  std::vector<std::size_t> shape;
  std::vector<float> values;

  /// Leaves only these indices of an axis, in their order.
  void keep(std::size_t axis, const std::vector<std::size_t>& kept);
};

/// Writes float tensors by name. Errors: kIo.
Result<void> write_sliced(const std::filesystem::path& path,
                          const std::map<std::string, SlicedTensor>& tensors);

}  // namespace fovea::compress
