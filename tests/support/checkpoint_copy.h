#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "support/golden.h"
#include "support/temporary_folder.h"
#include "tensor/safetensors.h"

namespace fovea::test {

/// A checkpoint of the reference data in a folder of its own, to be damaged. Files are links until they are
/// edited; the reference cases beside them stay out.
class CheckpointCopy {
 public:
  using Json = nlohmann::json;

  explicit CheckpointCopy(const std::string& golden = "smolvlm-tiny-f32") {
    for (const auto& entry : std::filesystem::directory_iterator(golden_folder(golden))) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_regular_file() || name.starts_with("golden.") || name == "tokenizer_cases.json") continue;
      std::filesystem::create_symlink(entry.path(), path(name));
    }
  }

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] std::string read(const std::string& name) const { return read_file(path(name)).value(); }
  void write(const std::string& name, std::string_view bytes) const {
    ASSERT_TRUE(write_file(path(name), bytes).has_value()) << name;
  }
  void remove(const std::string& name) const { std::filesystem::remove(path(name)); }

  /// Lets `edit` change a JSON file; a file that is not there starts as {}.
  void edit(const std::string& name, const std::function<void(Json&)>& edit) const {
    Json json = std::filesystem::exists(path(name)) ? read_json_file(path(name)).value() : Json::object();
    edit(json);
    write(name, json.dump());
  }

  struct Tensor {
    std::string name;
    tensor::DType dtype;
    std::vector<std::size_t> shape;
    std::string bytes;

    /// Makes every element this float; the tensor must be F32.
    void fill(float value) {
      for (std::size_t at = 0; at < bytes.size(); at += sizeof value) {
        std::memcpy(bytes.data() + at, &value, sizeof value);
      }
    }
  };
  /// Lets `edit` change the list of tensors of model.safetensors, which is written again, valid as a file.
  void edit_tensors(const std::function<void(std::vector<Tensor>&)>& edit) const {
    std::vector<Tensor> tensors;
    {
      const auto stored = tensor::SafeTensors::open(path("model.safetensors")).value();
      for (const auto& [name, item] : stored.tensors()) {
        const std::string bytes(reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size());
        tensors.push_back({name, item.dtype, item.shape, bytes});
      }
    }
    edit(tensors);
    std::vector<tensor::NamedTensor> named;
    for (const Tensor& item : tensors) {
      named.push_back({.name = item.name,
                       .dtype = item.dtype,
                       .shape = item.shape,
                       .bytes = std::as_bytes(std::span(item.bytes))});
    }
    ASSERT_TRUE(tensor::write_safetensors(path("model.safetensors"), named).has_value());
  }
  /// Lets `edit` change one tensor.
  void edit_tensor(const std::string& name, const std::function<void(Tensor&)>& edit) const {
    edit_tensors([&](std::vector<Tensor>& tensors) {
      const auto found = std::ranges::find(tensors, name, &Tensor::name);
      ASSERT_NE(found, tensors.end()) << name;
      edit(*found);
    });
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace fovea::test
