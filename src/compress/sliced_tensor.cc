#include "compress/sliced_tensor.h"

#include <cstring>

#include "tensor/safetensors.h"

namespace fovea::compress {

std::string slice_bytes(std::span<const std::byte> bytes, const std::vector<std::size_t>& shape,
                        std::size_t element_bytes, std::size_t axis, const std::vector<std::size_t>& kept) {
  std::size_t inner = element_bytes;  // bytes between two neighbours of the axis
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  const std::size_t stride = inner * shape[axis];
  const char* data = reinterpret_cast<const char*>(bytes.data());
  std::string left;
  left.reserve(bytes.size() / shape[axis] * kept.size());
  for (std::size_t outer = 0; outer < bytes.size(); outer += stride) {
    for (const std::size_t index : kept) left.append(data + outer + index * inner, inner);
  }
  return left;
}

void SlicedTensor::keep(std::size_t axis, const std::vector<std::size_t>& kept) {
  const std::string left = slice_bytes(std::as_bytes(std::span(values)), shape, sizeof(float), axis, kept);
  shape[axis] = kept.size();
  values.resize(left.size() / sizeof(float));
  std::memcpy(values.data(), left.data(), left.size());
}

Result<void> write_sliced(const std::filesystem::path& path,
                          const std::map<std::string, SlicedTensor>& tensors) {
  std::vector<tensor::NamedTensor> named;
  named.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    named.push_back({.name = name,
                     .dtype = tensor::DType::kF32,
                     .shape = tensor.shape,
                     .bytes = std::as_bytes(std::span(tensor.values))});
  }
  return tensor::write_safetensors(path, named);
}

}  // namespace fovea::compress
