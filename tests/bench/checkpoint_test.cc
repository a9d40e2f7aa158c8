#include "bench/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "support/temporary_folder.h"

namespace fovea::bench {
namespace {

namespace fs = std::filesystem;

/// A cache folder of the test's own.
class SyntheticCheckpointTest : public testing::Test {
 protected:
  SyntheticCheckpointTest() {
    ::setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
  }  // NOLINT(concurrency-mt-unsafe)
  ~SyntheticCheckpointTest() override { ::unsetenv("XDG_CACHE_HOME"); }  // NOLINT(concurrency-mt-unsafe)

  test::TemporaryFolder folder_;
};

TEST_F(SyntheticCheckpointTest, AKeptOneIsFoundAgainAndStays) {
  const fs::path kept = folder_.path() / "fovea" / "synthetic-smolvlm-256m";
  fs::create_directories(kept);
  std::ofstream(kept / "config.json") << "{}";
  {
    const auto checkpoint = SyntheticCheckpoint::make("smolvlm-256m", std::nullopt, false, {});
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->directory(), kept);
  }
  EXPECT_TRUE(fs::exists(kept / "config.json"));
}

TEST_F(SyntheticCheckpointTest, PackedWeightsHaveAFolderOfTheirOwn) {
  const fs::path kept = folder_.path() / "fovea" / "synthetic-smolvlm-256m-int4";
  fs::create_directories(kept);
  std::ofstream(kept / "config.json") << "{}";
  const auto checkpoint = SyntheticCheckpoint::make("smolvlm-256m", nn::Precision::kInt4, false, {});
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->directory(), kept);
}

TEST_F(SyntheticCheckpointTest, WhatAnEndedRunLeftIsRemoved) {
  const fs::path cache = folder_.path() / "fovea";
  const fs::path left = cache / "synthetic-smolvlm-256m.2147483647.part";
  const fs::path other = cache / "notes.2147483647.part";
  fs::create_directories(left);
  fs::create_directories(other);
  EXPECT_FALSE(SyntheticCheckpoint::make("no-such-shape", nn::Precision::kBF16, false, {}));
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(SyntheticCheckpointTest, AnUnknownShapeIsAUsageErrorAndLeavesNothing) {
  const auto checkpoint = SyntheticCheckpoint::make("no-such-shape", nn::Precision::kInt8, true, {});
  ASSERT_FALSE(checkpoint);
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kUsage);
  EXPECT_TRUE(!fs::exists(folder_.path() / "fovea") || fs::is_empty(folder_.path() / "fovea"));
}

}  // namespace
}  // namespace fovea::bench
