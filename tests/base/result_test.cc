#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace fovea {
namespace {

struct Expected {
  ErrorCode code;
  const char* name;
  int status;
  int exit;
};

const std::vector<Expected>& expected() {
  static const std::vector<Expected> table = {
      {ErrorCode::kInvalidArgument, "invalid_argument", 400, 1},
      {ErrorCode::kUsage, "usage", 400, 2},
      {ErrorCode::kNotFound, "not_found", 404, 1},
      {ErrorCode::kConflict, "conflict", 409, 1},
      {ErrorCode::kUnsupportedMedia, "unsupported_media", 415, 1},
      {ErrorCode::kInvalidImage, "invalid_image", 422, 1},
      {ErrorCode::kTooLarge, "too_large", 413, 1},
      {ErrorCode::kContextExceeded, "context_exceeded", 422, 1},
      {ErrorCode::kInvalidJson, "invalid_json", 400, 1},
      {ErrorCode::kInvalidModel, "invalid_model", 500, 1},
      {ErrorCode::kDamaged, "damaged", 500, 1},
      {ErrorCode::kInvalidOutput, "invalid_output", 422, 1},
      {ErrorCode::kUnavailable, "unavailable", 503, 1},
      {ErrorCode::kCancelled, "cancelled", 499, 1},
      {ErrorCode::kIo, "io", 500, 1},
      {ErrorCode::kInternal, "internal", 500, 3},
  };
  return table;
}

TEST(ErrorCodes, HaveTheDocumentedHttpStatus) {
  for (const Expected& row : expected()) EXPECT_EQ(http_status(row.code), row.status) << row.name;
}

TEST(ErrorCodes, HaveTheDocumentedExitCode) {
  for (const Expected& row : expected()) EXPECT_EQ(exit_code(row.code), row.exit) << row.name;
}

TEST(ErrorCodes, HaveStableNamesThatDiffer) {
  std::set<std::string> names;
  for (const Expected& row : expected()) {
    EXPECT_STREQ(error_name(row.code), row.name);
    names.insert(error_name(row.code));
  }
  EXPECT_EQ(names.size(), expected().size());
}

Result<std::unique_ptr<int>> make(bool good) {
  if (!good) return fail(ErrorCode::kNotFound, "nothing here");
  return std::make_unique<int>(7);
}

Result<int> use(bool good) {
  FOVEA_TRY(const auto value, make(good));
  return *value;
}

Result<void> check(bool good) {
  FOVEA_CHECK_OK(make(good));
  return {};
}

TEST(Try, BindsTheValueOrReturnsTheError) {
  EXPECT_EQ(use(true).value(), 7);
  EXPECT_EQ(use(false).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(check(true));
  EXPECT_EQ(check(false).error().message, "nothing here");
}

TEST(WithContext, PutsTheContextBeforeTheMessageAndKeepsTheCode) {
  const Result<int> result = with_context({ErrorCode::kIo, "disk full"}, "cache");
  EXPECT_EQ(result.error().message, "cache: disk full");
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace fovea
