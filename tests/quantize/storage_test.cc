#include "quantize/storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quantize/matrices.h"
#include "support/temporary_folder.h"

namespace fovea::quantize {
namespace {

using tensor::DType;
using tensor::NamedTensor;
using testing::AllOf;
using testing::HasSubstr;

class StorageTest : public testing::TestWithParam<Format> {
 protected:
  StorageTest() : packed_(pack(shape_, random_values(shape_.rows * shape_.columns, 1))) {}

  /// A checkpoint with these tensors.
  [[nodiscard]] tensor::SafeTensors written(const std::vector<NamedTensor>& tensors) const {
    const auto path = folder_.path() / "model.safetensors";
    EXPECT_TRUE(tensor::write_safetensors(path, tensors).has_value());
    return tensor::SafeTensors::open(path).value();
  }
  [[nodiscard]] std::vector<NamedTensor> parts() const { return packed_tensors("w", packed_.view()); }

  void expect_refused(const std::vector<NamedTensor>& tensors, const PackedShape& shape,
                      const std::string& name, const std::string& reason) const {
    const auto checkpoint = written(tensors);
    const auto found = find_packed(checkpoint, "w", shape);
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidModel);
    EXPECT_THAT(found.error().message,
                AllOf(HasSubstr("model.safetensors"), HasSubstr(name), HasSubstr(reason)));
  }

  test::TemporaryFolder folder_;
  PackedShape shape_{.format = GetParam(), .rows = 19, .columns = 100};
  PackedMatrix packed_;
};

TEST_P(StorageTest, WhatWasWrittenIsFoundWhereTheFileIsMapped) {
  const auto checkpoint = written(parts());
  const auto found = find_packed(checkpoint, "w", shape_);
  ASSERT_TRUE(found.has_value() && found->has_value());
  const PackedView& view = **found;
  EXPECT_EQ(unpack(view), unpack(packed_.view()));
  const auto name = std::string("w") + std::string(GetParam() == Format::kInt4 ? kInt4Suffix : kInt8Suffix);
  EXPECT_EQ(static_cast<const void*>(view.values),
            static_cast<const void*>(checkpoint.find(name)->bytes.data()));
}

TEST_P(StorageTest, AMatrixThatIsNotThereIsNone) {
  const auto checkpoint = written(parts());
  const auto other = find_packed(checkpoint, "v", shape_);
  ASSERT_TRUE(other.has_value());
  EXPECT_FALSE(other->has_value());
  const Format other_format = GetParam() == Format::kInt4 ? Format::kInt8 : Format::kInt4;
  const auto as_other = find_packed(checkpoint, "w", {.format = other_format, .rows = 19, .columns = 100});
  ASSERT_TRUE(as_other.has_value());
  EXPECT_FALSE(as_other->has_value());
}

TEST_P(StorageTest, EveryMissingPartIsNamed) {
  for (std::size_t i = 1; i < parts().size(); ++i) {
    auto tensors = parts();
    const std::string missing = tensors[i].name;
    tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
    expect_refused(tensors, shape_, missing, "is missing");
  }
}

TEST_P(StorageTest, AnotherShapeIsNamedWithWhatWasExpected) {
  expect_refused(parts(), {.format = GetParam(), .rows = 33, .columns = 100}, "tensor w.", "expected");
  expect_refused(parts(), {.format = GetParam(), .rows = 19, .columns = 200}, "tensor w.", "expected");
  for (std::size_t i = 0; i < parts().size(); ++i) {
    auto tensors = parts();
    tensors[i].shape.insert(tensors[i].shape.begin(), 1);
    expect_refused(tensors, shape_, tensors[i].name, "expected");
  }
}

TEST_P(StorageTest, AnotherTypeIsNamed) {
  for (std::size_t i = 0; i < parts().size(); ++i) {
    auto tensors = parts();
    const bool bytes = tensor::dtype_size(tensors[i].dtype) == 1;
    tensors[i].dtype = bytes ? (tensors[i].dtype == DType::kI8 ? DType::kU8 : DType::kI8)
                             : (tensors[i].dtype == DType::kI32 ? DType::kF32 : DType::kI32);
    expect_refused(tensors, shape_, tensors[i].name, tensor::dtype_name(tensors[i].dtype));
  }
}

TEST_P(StorageTest, NumbersAtOddAddressesAreRefusedWithWhatToDo) {
  const std::vector<std::int8_t> odd{1};
  auto tensors = parts();
  tensors.insert(tensors.begin(),
                 {.name = "odd", .dtype = DType::kI8, .shape = {1}, .bytes = std::as_bytes(std::span(odd))});
  expect_refused(tensors, shape_, "w.", "fovea quantize");
}

INSTANTIATE_TEST_SUITE_P(Formats, StorageTest, testing::Values(Format::kInt8, Format::kInt4),
                         [](const auto& info) { return info.param == Format::kInt4 ? "Int4" : "Int8"; });

TEST(Int8RowsTest, ATableIsFoundOrRefusedLikeAMatrix) {
  const test::TemporaryFolder folder;
  const std::vector<std::int8_t> values{1, 2, 3, 4, 5, 6};
  const std::vector<float> scales{0.5F, 2.0F};
  const auto path = folder.path() / "model.safetensors";
  const NamedTensor row_scales{
      .name = "t.row_scales", .dtype = DType::kF32, .shape = {2}, .bytes = std::as_bytes(std::span(scales))};
  const NamedTensor rows{
      .name = "t.int8_rows", .dtype = DType::kI8, .shape = {2, 3}, .bytes = std::as_bytes(std::span(values))};
  ASSERT_TRUE(tensor::write_safetensors(path, std::vector{row_scales, rows}).has_value());
  {
    const auto checkpoint = tensor::SafeTensors::open(path).value();
    const auto found = find_int8_rows(checkpoint, "t", 2, 3);
    ASSERT_TRUE(found.has_value() && found->has_value());
    EXPECT_EQ((*found)->scales[1], 2.0F);
    EXPECT_FALSE(find_int8_rows(checkpoint, "u", 2, 3).value().has_value());
    EXPECT_FALSE(find_int8_rows(checkpoint, "t", 3, 2).has_value());
  }
  ASSERT_TRUE(tensor::write_safetensors(path, std::vector{rows}).has_value());
  const auto alone = tensor::SafeTensors::open(path).value();
  const auto found = find_int8_rows(alone, "t", 2, 3);
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error().message, HasSubstr("t.row_scales is missing"));
}

}  // namespace
}  // namespace fovea::quantize
