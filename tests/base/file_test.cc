#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/temporary_folder.h"

namespace fovea {
namespace {

using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path(const char* name) const { return folder_.path() / name; }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_.path()), {}));
  }
  test::TemporaryFolder folder_;
};

TEST_F(Files, AreReadAsTheyWereWritten) {
  const std::string bytes("a\0b\xff\n", 5);
  ASSERT_TRUE(write_file(path("a"), bytes));
  EXPECT_EQ(read_file(path("a")).value(), bytes);
  EXPECT_EQ(entries(), 1U);  // the temporary file is gone
}

TEST_F(Files, MayBeEmpty) {
  ASSERT_TRUE(write_file(path("empty"), ""));
  EXPECT_EQ(read_file(path("empty"), 0).value(), "");
  EXPECT_TRUE(MappedFile::open(path("empty")).value().bytes().empty());
}

TEST_F(Files, ThatAreMissingAreNotFound) {
  const auto bytes = read_file(path("none"));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(bytes.error().message, HasSubstr(path("none").string()));
  EXPECT_EQ(MappedFile::open(path("none")).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(write_file(path("file"), "x"));
  EXPECT_EQ(read_file(path("file") / "below").error().code, ErrorCode::kNotFound);
}

TEST_F(Files, ThatAreFoldersAreRefused) {
  for (const auto& error : {read_file(folder_.path()).error(), MappedFile::open(folder_.path()).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kIo);
    EXPECT_THAT(error.message, HasSubstr("not a regular file"));
  }
}

TEST_F(Files, ThatAreNamedPipesAreRefusedInsteadOfWaitedFor) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(path("pipe")).error().code, ErrorCode::kIo);
}

TEST_F(Files, OverTheLimitAreTooLarge) {
  ASSERT_TRUE(write_file(path("a"), "12345"));
  EXPECT_TRUE(read_file(path("a"), 5));
  const auto bytes = read_file(path("a"), 4);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(bytes.error().message, HasSubstr("5 bytes, over the limit of 4"));
}

TEST_F(Files, AreReplacedWhole) {
  ASSERT_TRUE(write_file(path("a"), std::string(100'000, 'x')));
  const auto old_file = MappedFile::open(path("a"));
  ASSERT_TRUE(old_file);
  ASSERT_TRUE(write_file(path("a"), "new"));
  EXPECT_EQ(read_file(path("a")).value(), "new");
  EXPECT_EQ(old_file->bytes().size(), 100'000U);  // a reader keeps the file it opened
  EXPECT_EQ(old_file->bytes().back(), std::byte{'x'});
}

TEST_F(Files, StayAsTheyWereWhenAWriteFails) {
  ASSERT_TRUE(std::filesystem::create_directory(path("folder")));
  const auto written = write_file(path("folder"), "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
  EXPECT_TRUE(std::filesystem::is_directory(path("folder")));
  EXPECT_EQ(entries(), 1U);  // nothing is left over
  EXPECT_EQ(write_file(path("none") / "a", "x").error().code, ErrorCode::kIo);
}

TEST_F(Files, WrittenByManyThreadsHoldWhatOneOfThemWrote) {
  std::vector<std::thread> writers;
  for (char c = 'a'; c < 'e'; ++c) {
    writers.emplace_back([this, c] {
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(write_file(path("shared"), std::string(10'000, c)));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string bytes = read_file(path("shared")).value();
  ASSERT_EQ(bytes.size(), 10'000U);
  EXPECT_EQ(std::ranges::count(bytes, bytes[0]), 10'000);
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, StayMappedThroughMoves) {
  ASSERT_TRUE(write_file(path("a"), "abc"));
  ASSERT_TRUE(write_file(path("b"), "xy"));
  MappedFile a = MappedFile::open(path("a")).value();
  MappedFile b = MappedFile::open(path("b")).value();
  MappedFile moved = std::move(a);
  EXPECT_EQ(moved.bytes().size(), 3U);
  moved = std::move(b);
  ASSERT_EQ(moved.bytes().size(), 2U);
  EXPECT_EQ(moved.bytes()[0], std::byte{'x'});
}

}  // namespace
}  // namespace fovea
