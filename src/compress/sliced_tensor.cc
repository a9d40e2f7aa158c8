#include "compress/sliced_tensor.h"

#include <span>
#include <utility>

#include "tensor/safetensors.h"

namespace fovea::compress {

void SlicedTensor::keep(std::size_t axis, const std::vector<std::size_t>& kept) {
  std::size_t inner = 1;  // values between two neighbours of the axis
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  const std::size_t stride = inner * shape[axis];
  std::vector<float> left;
  for (std::size_t outer = 0; outer < values.size(); outer += stride) {
    for (const std::size_t index : kept) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(outer + index * inner);
      left.insert(left.end(), begin, begin + static_cast<std::ptrdiff_t>(inner));
    }
  }
  values = std::move(left);
  shape[axis] = kept.size();
}

Result<void> write_sliced(const std::filesystem::path& path,
                          const std::map<std::string, SlicedTensor>& tensors) {
  std::vector<tensor::NamedTensor> named;
  for (const auto& [name, tensor] : tensors) {
    named.push_back({.name = name,
                     .dtype = tensor::DType::kF32,
                     .shape = tensor.shape,
                     .bytes = std::as_bytes(std::span(tensor.values))});
  }
  return tensor::write_safetensors(path, named);
}

}  // namespace fovea::compress
