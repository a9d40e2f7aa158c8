#include "registry/digests.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace fovea::registry {
namespace {

namespace fs = std::filesystem;

constexpr const char* kForged = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

class FileDigestsTest : public testing::Test {
 protected:
  void SetUp() override { write(std::string(FileDigests::kRememberedBytes, 'a')); }

  /// In place, so that the inode stays.
  void write(const std::string& bytes) const {
    std::ofstream stream(file_, std::ios::binary | std::ios::in | std::ios::out);
    if (!stream) stream.open(file_, std::ios::binary);
    stream << bytes;
  }
  [[nodiscard]] struct stat status() const {
    struct stat found{};
    EXPECT_EQ(::stat(file_.c_str(), &found), 0);
    return found;
  }
  [[nodiscard]] std::string digest() const {
    const auto found = digests_.of(file_);
    EXPECT_TRUE(found.has_value()) << found.error().message;
    return found.value_or("");
  }
  /// Puts another digest where the true one is remembered: what comes back then was not computed.
  void forge() const {
    std::string text = read_file(store_).value_or("");
    ASSERT_GT(text.size(), 65U) << "nothing is remembered";
    text.replace(text.size() - 65, 64, kForged);
    ASSERT_TRUE(write_file(store_, text));
    fs::permissions(store_, fs::perms::owner_read | fs::perms::owner_write);
  }

  test::TemporaryFolder folder_;
  fs::path file_ = folder_.path() / "weights";
  fs::path store_ = folder_.path() / "state" / "digests";
  FileDigests digests_{store_, [] { return FileDigests::Clock::now() + 2 * FileDigests::kSettled; }};
};

TEST_F(FileDigestsTest, ADigestIsSha256) {
  write_file(folder_.path() / "abc", "abc").value();
  EXPECT_EQ(digests_.of(folder_.path() / "abc").value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(FileDigestsTest, ALargeFileIsReadOnce) {
  const std::string first = digest();
  EXPECT_EQ(digest(), first);
  forge();
  EXPECT_EQ(digest(), kForged);
}

TEST_F(FileDigestsTest, AnEditOfTheSameSizeWithTheOldTimePutBackIsSeen) {
  const std::string first = digest();
  const struct stat before = status();
  // The clock that stamps files ticks every few milliseconds: an edit within one tick has no later time.
  while (status().st_ctim.tv_nsec == before.st_ctim.tv_nsec) {
    write("b");
    const timespec times[2] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, file_.c_str(), times, 0), 0);
  }
  ASSERT_EQ(status().st_size, before.st_size);
  ASSERT_EQ(status().st_ino, before.st_ino);
  ASSERT_EQ(status().st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  EXPECT_NE(digest(), first);
}

TEST_F(FileDigestsTest, AnotherFileUnderTheSameNameIsRead) {
  const std::string first = digest();
  forge();
  const fs::path other = folder_.path() / "other";
  fs::copy_file(file_, other);
  fs::rename(other, file_);
  EXPECT_EQ(digest(), first);
}

TEST_F(FileDigestsTest, AFileThatChangedJustNowIsNotRemembered) {
  const FileDigests soon(store_, [this] {
    return FileDigests::Clock::from_time_t(status().st_ctim.tv_sec) + FileDigests::kSettled / 2;
  });
  ASSERT_TRUE(soon.of(file_).has_value());
  EXPECT_FALSE(fs::exists(store_));
}

TEST_F(FileDigestsTest, ASmallFileIsAlwaysRead) {
  fs::resize_file(file_, FileDigests::kRememberedBytes - 1);
  ASSERT_FALSE(digest().empty());
  EXPECT_FALSE(fs::exists(store_));
}

TEST_F(FileDigestsTest, AStoreThatOthersCanWriteIsNotBelieved) {
  const std::string first = digest();
  forge();
  fs::permissions(store_, fs::perms::group_write, fs::perm_options::add);
  EXPECT_EQ(digest(), first);
}

TEST_F(FileDigestsTest, ADamagedStoreIsReplaced) {
  const std::string first = digest();
  std::string text = read_file(store_).value();
  write_file(store_, text.substr(0, text.size() - 10)).value();
  EXPECT_EQ(digest(), first);
  write_file(store_, std::string("\0\n\n\xff", 4)).value();
  EXPECT_EQ(digest(), first);
  forge();
  EXPECT_EQ(digest(), kForged) << "remembered again";
}

TEST_F(FileDigestsTest, WhereNothingCanBeWrittenDigestsAreComputed) {
  const std::string first = digest();
  write_file(folder_.path() / "no-folder", "").value();
  for (const fs::path& store : {folder_.path() / "no-folder" / "digests", fs::path()}) {
    EXPECT_EQ(FileDigests(store).of(file_).value(), first);
  }
}

TEST_F(FileDigestsTest, TheStoreKeepsTheNewest) {
  std::string old;
  for (std::size_t i = 0; i < FileDigests::kMostEntries; ++i)
    old += "1 2 3 4.5 6.7 " + std::string(kForged) + "\n";
  fs::create_directories(store_.parent_path());
  write_file(store_, old).value();
  fs::permissions(store_, fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_FALSE(digest().empty());
  const std::string text = read_file(store_).value();
  EXPECT_EQ(std::ranges::count(text, '\n'), static_cast<std::ptrdiff_t>(FileDigests::kMostEntries));
  forge();
  EXPECT_EQ(digest(), kForged);
}

TEST_F(FileDigestsTest, AMissingFileIsNamed) {
  const auto none = digests_.of(folder_.path() / "none");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(none.error().message, testing::HasSubstr("none"));
}

}  // namespace
}  // namespace fovea::registry
