#include "sqlite/database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "support/temporary_folder.h"

namespace fovea::sqlite {
namespace {

class SqliteDatabase : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "some" / "folder" / "x.db"; }
  Database open(const Options& options = {}) {
    Result<Database> database = Database::open(file(), options);
    EXPECT_TRUE(database) << database.error().message;
    return *std::move(database);
  }
  static std::int64_t number(Database& database, const std::string& sql) {
    Result<Statement> statement = database.prepare(sql);
    EXPECT_TRUE(statement) << statement.error().message;
    const Result<bool> row = statement->step();
    EXPECT_TRUE(row.value());
    return statement->integer(0);
  }
  static std::string text(Database& database, const std::string& sql) {
    Result<Statement> statement = database.prepare(sql);
    EXPECT_TRUE(statement) << statement.error().message;
    const Result<bool> row = statement->step();
    EXPECT_TRUE(row.value());
    return std::string(statement->text(0));
  }

 private:
  test::TemporaryFolder folder_;
};

const std::vector<std::string>& two_migrations() {
  static const std::vector<std::string> migrations = {
      "CREATE TABLE a (x INTEGER PRIMARY KEY, t TEXT UNIQUE); INSERT INTO a VALUES (1, 'one');",
      "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5;",
  };
  return migrations;
}

TEST_F(SqliteDatabase, CreatesItsFoldersAndUsesALog) {
  Database database = open();
  EXPECT_TRUE(std::filesystem::exists(file()));
  EXPECT_EQ(text(database, "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(number(database, "PRAGMA synchronous"), 1);
  EXPECT_EQ(number(database, "PRAGMA foreign_keys"), 1);
}

TEST_F(SqliteDatabase, BringsBackEveryKindOfValue) {
  Database database = open();
  ASSERT_TRUE(database.execute("CREATE TABLE t (a, b, c, d, e, f, g, h)"));
  const std::vector<std::byte> bytes = {std::byte{0}, std::byte{255}, std::byte{0}};
  const std::string with_zero("a\0b", 3);
  ASSERT_TRUE(database.run("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", nullptr,
                           std::numeric_limits<std::int64_t>::min(), 0.1, with_zero, std::span(bytes),
                           std::string_view(), std::span<const std::byte>(), std::optional<int>()));
  EXPECT_EQ(database.changes(), 1);
  EXPECT_EQ(database.last_insert_rowid(), 1);

  Result<Statement> select = database.prepare("SELECT * FROM t");
  ASSERT_TRUE(select);
  ASSERT_TRUE(select->step().value());
  EXPECT_TRUE(select->is_null(0));
  EXPECT_EQ(select->integer(1), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(select->real(2), 0.1);
  EXPECT_EQ(select->text(3), with_zero);
  ASSERT_EQ(select->blob(4).size(), bytes.size());
  EXPECT_EQ(std::memcmp(select->blob(4).data(), bytes.data(), bytes.size()), 0);
  EXPECT_FALSE(select->is_null(5));
  EXPECT_TRUE(select->text(5).empty());
  EXPECT_FALSE(select->is_null(6));
  EXPECT_TRUE(select->blob(6).empty());
  EXPECT_TRUE(select->is_null(7));
  EXPECT_FALSE(select->step().value());
}

TEST_F(SqliteDatabase, RunsAStatementAgainWithOtherParameters) {
  Database database = open();
  ASSERT_TRUE(database.execute("CREATE TABLE t (a)"));
  Result<Statement> insert = database.prepare("INSERT INTO t VALUES (?)");
  ASSERT_TRUE(insert);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(insert->run(i));
  EXPECT_EQ(number(database, "SELECT sum(a) FROM t"), 45);
}

TEST_F(SqliteDatabase, RefusesTheWrongNumberOfParametersAndWrongSql) {
  Database database = open();
  Result<Statement> statement = database.prepare("SELECT ?");
  ASSERT_TRUE(statement);
  EXPECT_EQ(statement->bind().error().code, ErrorCode::kInternal);
  EXPECT_EQ(statement->bind(1, 2).error().code, ErrorCode::kInternal);
  EXPECT_EQ(database.prepare("SELEKT").error().code, ErrorCode::kInternal);
  EXPECT_EQ(database.prepare("SELECT 1; SELECT 2").error().code, ErrorCode::kInternal);
  EXPECT_EQ(database.prepare("  ").error().code, ErrorCode::kInternal);
  EXPECT_TRUE(database.prepare("SELECT 1; \n"));
}

TEST_F(SqliteDatabase, MigratesANewFileAndAnOldOneOnce) {
  Options options{.application_id = 77, .migrations = {two_migrations().front()}};
  {
    Database database = open(options);
    EXPECT_EQ(number(database, "PRAGMA user_version"), 1);
  }
  options.migrations = two_migrations();
  for (int time = 0; time < 2; ++time) {
    Database database = open(options);
    EXPECT_EQ(number(database, "PRAGMA user_version"), 2);
    EXPECT_EQ(number(database, "SELECT y FROM a"), 5);
    EXPECT_EQ(number(database, "SELECT count(*) FROM a"), 1);
    EXPECT_EQ(number(database, "PRAGMA application_id"), 77);
  }
}

TEST_F(SqliteDatabase, LeavesTheOldVersionWhereAMigrationFails) {
  {
    const Database database = open({.migrations = {two_migrations().front()}});
  }
  const Result<Database> broken = Database::open(
      file(),
      {.migrations = {two_migrations().front(), "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);"}});
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("migration from version 1 to 2"), std::string::npos)
      << broken.error().message;
  Database database = open({.migrations = {two_migrations().front()}});
  EXPECT_EQ(number(database, "SELECT count(*) FROM sqlite_master WHERE name = 'b'"), 0);
}

TEST_F(SqliteDatabase, RefusesANewerVersionAndAnotherProgramsFile) {
  {
    const Database database = open({.application_id = 77, .migrations = two_migrations()});
  }
  const Result<Database> older =
      Database::open(file(), {.application_id = 77, .migrations = {two_migrations().front()}});
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::kUsage);
  const Result<Database> other =
      Database::open(file(), {.application_id = 78, .migrations = two_migrations()});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kUsage);
}

TEST_F(SqliteDatabase, DoesNotTakeOverAFileThatHoldsSomeonesTables) {
  {
    Database database = open();
    ASSERT_TRUE(database.execute("CREATE TABLE theirs (x)"));
  }
  const Result<Database> other =
      Database::open(file(), {.application_id = 78, .migrations = two_migrations()});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kUsage);
}

TEST_F(SqliteDatabase, RollsBackWhatWasNotCommitted) {
  Database database = open();
  ASSERT_TRUE(database.execute("CREATE TABLE t (a)"));
  {
    Result<Transaction> transaction = Transaction::begin(database);
    ASSERT_TRUE(transaction);
    EXPECT_TRUE(database.in_transaction());
    ASSERT_TRUE(database.execute("INSERT INTO t VALUES (1)"));
    EXPECT_EQ(Transaction::begin(database).error().code, ErrorCode::kInternal);
  }
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(number(database, "SELECT count(*) FROM t"), 0);
  Result<Transaction> transaction = Transaction::begin(database);
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(database.execute("INSERT INTO t VALUES (1)"));
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(number(database, "SELECT count(*) FROM t"), 1);
}

TEST_F(SqliteDatabase, NamesAViolatedConstraint) {
  Database database = open({.migrations = two_migrations()});
  const Result<void> again = database.run("INSERT INTO a (t) VALUES (?)", "one");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(again.error().message.find("a.t"), std::string::npos) << again.error().message;
}

TEST_F(SqliteDatabase, EndsARunningStatementWhenInterrupted) {
  Database database = open();
  Result<Statement> endless = database.prepare(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  ASSERT_TRUE(endless);
  std::atomic<bool> done{false};
  std::jthread interrupter([&] {
    while (!done) {
      database.interrupt();
      std::this_thread::yield();
    }
  });
  const Result<bool> row = endless->step();
  done = true;
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code, ErrorCode::kCancelled);
}

TEST_F(SqliteDatabase, OpensReadOnlyOnlyWhatIsThere) {
  const Result<Database> missing = Database::open(file(), {.read_only = true});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(file().parent_path()));

  {
    const Database database = open({.migrations = two_migrations()});
  }
  Result<Database> reader = Database::open(file(), {.read_only = true, .migrations = two_migrations()});
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(number(*reader, "SELECT count(*) FROM a"), 1);
  EXPECT_EQ(reader->execute("DELETE FROM a").error().code, ErrorCode::kIo);
}

TEST_F(SqliteDatabase, KeepsADatabaseInMemory) {
  Result<Database> database = Database::open(":memory:", {.migrations = two_migrations()});
  ASSERT_TRUE(database) << database.error().message;
  EXPECT_EQ(number(*database, "SELECT y FROM a"), 5);
}

TEST_F(SqliteDatabase, IsCreatedOnceByManyThatOpenItTogether) {
  constexpr int kThreads = 8;
  std::atomic<int> opened{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        Result<Database> database =
            Database::open(file(), {.busy_timeout = std::chrono::minutes(1), .migrations = two_migrations()});
        EXPECT_TRUE(database) << database.error().message;
        if (database && database->run("INSERT INTO a (t) VALUES (NULL)")) ++opened;
      });
    }
  }
  EXPECT_EQ(opened, kThreads);
  Database database = open();
  EXPECT_EQ(number(database, "SELECT count(*) FROM a"), kThreads + 1);
}

}  // namespace
}  // namespace fovea::sqlite
