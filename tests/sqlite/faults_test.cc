#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "sqlite/database.h"
#include "support/temporary_folder.h"

namespace fovea::sqlite {
namespace {

namespace fs = std::filesystem;

/// For root no folder is read-only: acts as another user until the end of the scope.
class AsNobody {
 public:
  AsNobody() : root_(::geteuid() == 0) {
    if (root_) EXPECT_EQ(::seteuid(65534), 0);
  }
  ~AsNobody() {
    if (root_) EXPECT_EQ(::seteuid(0), 0);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool root_;
};

class SqliteFaults : public ::testing::Test {
 protected:
  [[nodiscard]] fs::path file() const { return folder_.path() / "x.db"; }
  void make_table(int rows) const {
    Result<Database> database = Database::open(file());
    ASSERT_TRUE(database) << database.error().message;
    ASSERT_TRUE(database->execute("CREATE TABLE t (a)"));
    for (int i = 0; i < rows; ++i) {
      ASSERT_TRUE(database->run("INSERT INTO t VALUES (?)", std::string(1000, 'x')));
    }
  }
  [[nodiscard]] const fs::path& folder() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(SqliteFaults, AFileThatIsNoDatabaseIsDamaged) {
  const std::string text(5000, 'x');
  std::ofstream(file()) << text;
  const Result<Database> database = Database::open(file());
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, ErrorCode::kDamaged);
  EXPECT_NE(database.error().message.find("x.db"), std::string::npos) << database.error().message;
  EXPECT_EQ(fs::file_size(file()), text.size()) << "a file that was refused must stay as it was";
}

TEST_F(SqliteFaults, OverwrittenPagesAreFoundByCheck) {
  make_table(100);
  {
    Result<Database> sound = Database::open(file());
    ASSERT_TRUE(sound);
    EXPECT_TRUE(sound->check());
  }
  {
    std::fstream stream(file(), std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(4096 + 10);
    stream << std::string(20000, '\xa5');
  }
  Result<Database> database = Database::open(file());
  ASSERT_TRUE(database) << "the first page is sound: " << database.error().message;
  const Result<void> checked = database->check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kDamaged);
  const Result<void> read = database->run("SELECT sum(length(a)) FROM t");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kDamaged);
}

TEST_F(SqliteFaults, AnotherWriterMakesItUnavailableAndNotForLonger) {
  make_table(1);
  Result<Database> first = Database::open(file());
  Result<Database> second = Database::open(file(), {.busy_timeout = std::chrono::milliseconds(1)});
  ASSERT_TRUE(first && second);
  {
    Result<Transaction> transaction = Transaction::begin(*first);
    ASSERT_TRUE(transaction);
    const Result<void> refused = second->execute("INSERT INTO t VALUES (2)");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_TRUE(second->run("SELECT count(*) FROM t")) << "a writer must not keep readers out";
  }
  EXPECT_TRUE(second->execute("INSERT INTO t VALUES (2)"));
}

TEST_F(SqliteFaults, AFullFileRefusesWritesAndStaysReadable) {
  make_table(1);
  Result<Database> database = Database::open(file(), {.max_bytes = 64 * 1024});
  ASSERT_TRUE(database) << database.error().message;
  Result<void> written;
  int rows = 1;
  for (; rows < 1000; ++rows) {
    written = database->run("INSERT INTO t VALUES (?)", std::string(1000, 'y'));
    if (!written) break;
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
  EXPECT_GT(rows, 10);
  Result<Statement> count = database->prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(count && count->step().value());
  EXPECT_EQ(count->integer(0), rows);
  count->reset();
  ASSERT_TRUE(database->execute("DELETE FROM t"));
  EXPECT_TRUE(database->run("INSERT INTO t VALUES (?)", std::string(1000, 'y')));
}

TEST_F(SqliteFaults, AReadOnlyFolderIsSaidToBe) {
  fs::permissions(folder(), fs::perms::owner_read | fs::perms::owner_exec);
  {
    const AsNobody nobody;
    for (const fs::path& path : {folder() / "x.db", folder() / "deeper" / "x.db"}) {
      const Result<Database> database = Database::open(path);
      ASSERT_FALSE(database);
      EXPECT_EQ(database.error().code, ErrorCode::kIo) << database.error().message;
      EXPECT_NE(database.error().message.find(folder().string()), std::string::npos)
          << database.error().message;
    }
  }
  fs::permissions(folder(), fs::perms::owner_all);
}

TEST_F(SqliteFaults, AReadOnlyFileIsSaidToBe) {
  make_table(1);
  fs::permissions(folder(), fs::perms::all);
  fs::permissions(file(), fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  const AsNobody nobody;
  const Result<Database> database = Database::open(file());
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, ErrorCode::kIo) << database.error().message;
  EXPECT_NE(database.error().message.find("must be writable"), std::string::npos) << database.error().message;
}

TEST_F(SqliteFaults, AFolderInTheFilesPlaceIsAnError) {
  const Result<Database> database = Database::open(folder());
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace fovea::sqlite
