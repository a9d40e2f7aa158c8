#include "tensor/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace fovea::tensor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class SafeTensorsTest : public testing::Test {
 protected:
  std::filesystem::path path_of(const std::string& name) const { return folder_.path() / name; }
  void write(const std::string& name, const std::string& bytes) const {
    ASSERT_TRUE(write_file(path_of(name), bytes).has_value());
  }
  /// A file with this header text and this many bytes of data.
  static std::string file(const std::string& header, std::size_t data_bytes) {
    const std::uint64_t size = header.size();
    std::string bytes(sizeof size, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);
    return bytes + header + std::string(data_bytes, 'x');
  }
  /// Opens a file of these bytes and expects an error that names the file and holds `reason`.
  void expect_refused(const std::string& bytes, const std::string& reason) const {
    write("model.safetensors", bytes);
    const auto opened = SafeTensors::open(path_of("model.safetensors"));
    ASSERT_FALSE(opened.has_value()) << reason;
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalidModel);
    EXPECT_THAT(opened.error().message, AllOf(HasSubstr("model.safetensors"), HasSubstr(reason)));
  }

  test::TemporaryFolder folder_;
};

TEST_F(SafeTensorsTest, WhatIsWrittenIsReadBack) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::vector<std::uint8_t> bytes{7, 8, 9};
  const std::vector<NamedTensor> tensors{
      {.name = "a", .dtype = DType::kF32, .shape = {2, 3}, .bytes = std::as_bytes(std::span(values))},
      {.name = "b", .dtype = DType::kU8, .shape = {3}, .bytes = std::as_bytes(std::span(bytes))}};
  ASSERT_TRUE(write_safetensors(path_of("t"), tensors).has_value());
  const auto opened = SafeTensors::open(path_of("t"));
  ASSERT_TRUE(opened.has_value());
  const StoredTensor* a = opened->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(std::memcmp(a->bytes.data(), values.data(), sizeof(float) * values.size()), 0);
  EXPECT_EQ(opened->find("b")->bytes.size(), 3U);
  EXPECT_EQ(opened->find("c"), nullptr);
}

TEST_F(SafeTensorsTest, RefusesFilesThatEndTooEarly) {
  expect_refused("", "only 0 bytes");
  expect_refused("abc", "only 3 bytes");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 15), "truncated");
}

TEST_F(SafeTensorsTest, RefusesAHeaderLongerThanTheFile) {
  std::string bytes(8, '\xFF');
  expect_refused(bytes + "{}", "its header claims");
  bytes = file("{}", 0);
  bytes[0] = 3;
  expect_refused(bytes, "its header claims");
}

TEST_F(SafeTensorsTest, RefusesHostileHeaders) {
  expect_refused(file("[1,2]", 0), "not an object");
  expect_refused(file("{nonsense", 0), "not valid JSON");
  expect_refused(file(std::string(100'000, '['), 0), "nested deeper");
  expect_refused(
      file(
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          4),
      "stands twice");
  expect_refused(file(R"({"a":1})", 4), "needs dtype, shape and data_offsets");
  expect_refused(file(R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4), "dtype \"F99\"");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4), "shape");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4),
                 "at most 8 sizes");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4), "outside");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4), "two byte positions");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
                 "do not make the 4 bytes");
}

TEST_F(SafeTensorsTest, RefusesShapesWhoseProductOverflows) {
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0),
                 "do not make");
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0),
                 "do not make");
}

TEST_F(SafeTensorsTest, RefusesOverlappingTensors) {
  expect_refused(
      file(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
          12),
      "overlap");
}

TEST_F(SafeTensorsTest, ReadsShardsThroughTheirIndex) {
  const float value = 3;
  for (const char* name : {"a", "b"}) {
    const std::vector<NamedTensor> tensors{
        {.name = name, .dtype = DType::kF32, .shape = {1}, .bytes = std::as_bytes(std::span(&value, 1))}};
    ASSERT_TRUE(write_safetensors(path_of(fmt::format("shard-{}.safetensors", name)), tensors).has_value());
  }
  write("model.safetensors.index.json",
        R"({"weight_map":{"a":"shard-a.safetensors","b":"shard-b.safetensors"}})");
  const auto opened = SafeTensors::open_checkpoint(folder_.path());
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->tensors().size(), 2U);
}

TEST_F(SafeTensorsTest, RefusesAnIndexThatLeadsElsewhereOrNamesWhatIsMissing) {
  for (const auto& [index, reason] : std::vector<std::pair<std::string, std::string>>{
           {R"({"weight_map":{"a":"../../etc/passwd"}})", "no plain file name"},
           {R"({"weight_map":{"a":7}})", "no plain file name"},
           {R"({"weight_map":[]})", "weight_map"},
           {R"({"weight_map":{"a":"missing.safetensors"}})", "missing.safetensors"}}) {
    write("model.safetensors.index.json", index);
    const auto opened = SafeTensors::open_checkpoint(folder_.path());
    ASSERT_FALSE(opened.has_value());
    EXPECT_THAT(opened.error().message, HasSubstr(reason));
  }
}

}  // namespace
}  // namespace fovea::tensor
