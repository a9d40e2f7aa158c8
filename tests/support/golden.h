#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "image/decode.h"
#include "support/paths.h"
#include "tensor/safetensors.h"

namespace fovea::test {

/// The folder of reference outputs of that name.
inline std::filesystem::path golden_folder(const std::string& name) {
  return data_folder() / "golden" / name;
}

/// A reference folder: its cases and their tensors. A missing or damaged one ends the test program.
class Golden {
 public:
  explicit Golden(const std::string& name)
      : folder_(golden_folder(name)),
        cases_(read_json_file(folder_ / "golden.json").value()["cases"]),
        tensors_(tensor::SafeTensors::open(folder_ / "golden.safetensors").value()) {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] const nlohmann::json& cases() const { return cases_; }

  [[nodiscard]] bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
  template <class T>
  [[nodiscard]] std::vector<T> values(const std::string& name) const {
    const auto bytes = tensors_.find(name)->bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  [[nodiscard]] image::Image picture(const nlohmann::json& item) const {
    const std::string bytes = read_file(folder_ / item["image"].get<std::string>()).value();
    return image::decode_image(std::as_bytes(std::span(bytes))).value();
  }

 private:
  std::filesystem::path folder_;
  nlohmann::json cases_;
  tensor::SafeTensors tensors_;
};

}  // namespace fovea::test
