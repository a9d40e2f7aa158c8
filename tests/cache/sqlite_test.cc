#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "cache/maintenance.h"
#include "sqlite/database.h"
#include "support/temporary_folder.h"
#include "tiers.h"

namespace fovea::cache {
namespace {

namespace fs = std::filesystem;

class SqliteTier : public ::testing::Test {
 protected:
  [[nodiscard]] fs::path file() const { return folder_.path() / "state" / "answers.db"; }
  [[nodiscard]] fs::path folder() const { return folder_.path(); }
  /// Without warming, so that memory does not answer for the database.
  [[nodiscard]] TieredCacheOptions options() const {
    TieredCacheOptions options = patient_options();
    options.database = SqliteOptions{.path = file()};
    options.warm_entries = 0;
    return options;
  }
  void change(const std::string& sql) const {
    Result<sqlite::Database> database = sqlite::Database::open(file());
    ASSERT_TRUE(database) << database.error().message;
    const Result<void> done = database->execute(sql);
    ASSERT_TRUE(done) << done.error().message;
  }
  [[nodiscard]] std::int64_t number(const std::string& sql) const {
    Result<sqlite::Database> database = sqlite::Database::open(file());
    EXPECT_TRUE(database) << database.error().message;
    Result<sqlite::Statement> statement = database->prepare(sql);
    EXPECT_TRUE(statement && statement->step().value());
    return statement->integer(0);
  }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(SqliteTier, KeepsEveryAnswerAndServesTheNewest) {
  const Key key = test_key("a");
  {
    const auto cache = connected(options());
    store_and_wait(*cache, key, test_answer("first"));
    store_and_wait(*cache, key, test_answer("second"));
  }
  EXPECT_EQ(number("SELECT count(*) FROM answers"), 2);
  EXPECT_EQ(
      number(
          "SELECT count(*) FROM answers WHERE model = 'card-reader-s' AND model_version = '0123456789ab' AND "
          "task = 'trading-card' AND latency_ms = 812.5 AND created_ms = 1790000000123"),
      2);
  const auto cache = connected(options());
  const auto hit = cache->lookup(key);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->tier, Tier::kDatabase);
  EXPECT_EQ(*hit->answer, *test_answer("second"));
  EXPECT_EQ(cache->lookup(key)->tier, Tier::kMemory);
}

TEST_F(SqliteTier, WarmsMemoryWithTheNewestAnswers) {
  {
    const auto cache = connected(options());
    for (int i = 0; i < 20; ++i) cache->store(test_key(std::to_string(i)), test_answer(std::to_string(i)));
    cache->store(test_key("5"), test_answer("5 again"));
    ASSERT_TRUE(cache->wait_until_written(soon()));
  }
  TieredCacheOptions warming = options();
  warming.warm_entries = 10;
  TieredCache cache(warming);
  EXPECT_TRUE(eventually([&] { return stats_of(cache, Tier::kMemory).entries == 10; }));
  EXPECT_EQ(cache.lookup_memory(test_key("19"))->payload, "19");
  EXPECT_EQ(cache.lookup_memory(test_key("5"))->payload, "5 again");
  EXPECT_EQ(cache.lookup_memory(test_key("0")), nullptr);
}

TEST_F(SqliteTier, NeverServesARowThatDoesNotVerifyAndDeletesIt) {
  const Key key = test_key("a");
  for (const char* damage : {
           "UPDATE answers SET payload = 'changed'",
           "UPDATE answers SET created_ms = created_ms + 1",
           "UPDATE answers SET latency_ms = latency_ms + 1",
           "UPDATE answers SET model_version = 'another'",
           "UPDATE answers SET checksum = x'00'",
           "UPDATE answers SET checksum = zeroblob(32)",
       }) {
    store_and_wait(*connected(options()), key, test_answer());
    change(damage);
    const auto cache = connected(options());
    EXPECT_FALSE(cache->lookup(key)) << damage;
    EXPECT_EQ(stats_of(*cache, Tier::kDatabase).damaged, 1U) << damage;
    EXPECT_EQ(number("SELECT count(*) FROM answers"), 0) << damage;
  }
}

TEST_F(SqliteTier, NeverServesAnotherKeysAnswer) {
  const auto cache = connected(options());
  store_and_wait(*cache, test_key("a"), test_answer("of a"));
  store_and_wait(*cache, test_key("b"), test_answer("of b"));
  change("UPDATE answers SET key = x'" + test_key("a").hex() + "' WHERE id = 2");
  cache->clear_memory();
  EXPECT_FALSE(cache->lookup(test_key("a")));
  EXPECT_EQ(cache->lookup(test_key("a"))->answer->payload, "of a")
      << "the wrong row is gone, the right one shows";
}

TEST_F(SqliteTier, MovesADamagedFileAsideAndGoesOn) {
  fs::create_directories(file().parent_path());
  std::ofstream(file()) << std::string(10'000, 'x');
  const auto cache = std::make_unique<TieredCache>(options());
  EXPECT_TRUE(eventually([&] { return is_up(*cache, Tier::kDatabase); }));
  store_and_wait(*cache, test_key("a"), test_answer());
  cache->clear_memory();
  EXPECT_TRUE(cache->lookup(test_key("a")));
  int kept = 0;
  for (const auto& entry : fs::directory_iterator(file().parent_path())) {
    kept += entry.path().string().contains(".damaged-") ? 1 : 0;
  }
  EXPECT_EQ(kept, 1);
}

TEST_F(SqliteTier, RecoversFromAFileThatIsDamagedWhileItIsUsed) {
  const auto cache = connected(options());
  for (int i = 0; i < 200; ++i) cache->store(test_key(std::to_string(i)), test_answer(std::string(500, 'x')));
  ASSERT_TRUE(cache->wait_until_written(soon()));
  change("PRAGMA wal_checkpoint(TRUNCATE)");
  {
    std::fstream stream(file(), std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(4096);
    stream << std::string(static_cast<std::size_t>(fs::file_size(file())) - 4096, '\xa5');
  }
  // A write makes every connection read the pages again.
  EXPECT_TRUE(eventually([&] {
    cache->store(test_key("new"), test_answer("new"));
    cache->clear_memory();
    const auto hit = cache->lookup(test_key("new"));
    if (hit) EXPECT_EQ(hit->answer->payload, "new");
    return hit && hit->tier == Tier::kDatabase;
  }));
}

TEST_F(SqliteTier, GoesOnAnsweringWhenItsFileMayNotGrow) {
  TieredCacheOptions small = options();
  small.database = SqliteOptions{.path = file(), .max_bytes = 100'000};
  const auto cache = connected(small);
  store_and_wait(*cache, test_key("early"), test_answer());
  for (int i = 0; i < 300; ++i)
    cache->store(test_key(std::to_string(i)), test_answer(std::string(2000, 'x')));
  EXPECT_TRUE(eventually([&] { return stats_of(*cache, Tier::kDatabase).dropped_writes > 0; }));
  EXPECT_NE(stats_of(*cache, Tier::kDatabase).last_error.find("full"), std::string::npos)
      << stats_of(*cache, Tier::kDatabase).last_error;
  cache->clear_memory();
  const auto hit = cache->lookup(test_key("early"));
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->tier, Tier::kDatabase);
}

TEST_F(SqliteTier, IsDownWhereItsFolderCannotBeWrittenAndMemoryStillAnswers) {
  // /proc takes no files, not even of root.
  TieredCacheOptions nowhere = options();
  nowhere.database = SqliteOptions{.path = "/proc/fovea/answers.db"};
  TieredCache cache(nowhere);
  ASSERT_TRUE(cache.wait_until_tried(soon()));
  EXPECT_FALSE(is_up(cache, Tier::kDatabase));
  EXPECT_NE(stats_of(cache, Tier::kDatabase).last_error.find("/proc/fovea"), std::string::npos);
  cache.store(test_key("a"), test_answer());
  EXPECT_EQ(cache.lookup(test_key("a"))->tier, Tier::kMemory);
  EXPECT_FALSE(cache.lookup(test_key("b")));
}

TEST_F(SqliteTier, KeepsNoMoreThanItsRetentionSays) {
  TieredCacheOptions brief = options();
  brief.retention = {.max_entries = 10, .max_age = std::chrono::hours(1)};
  brief.tiers.prune_interval = std::chrono::milliseconds(10);
  const auto cache = connected(brief);
  const auto answer_of_age = [](std::chrono::milliseconds age) {
    Answer answer = *test_answer();
    answer.created_ms = now_ms() - age.count();
    return std::make_shared<const Answer>(std::move(answer));
  };
  for (int i = 0; i < 30; ++i) store_and_wait(*cache, test_key(std::to_string(i)), answer_of_age({}));
  EXPECT_TRUE(eventually([&] { return number("SELECT count(*) FROM answers") == 10; }));
  EXPECT_TRUE(eventually([&] { return stats_of(*cache, Tier::kDatabase).entries == 10U; }));
  store_and_wait(*cache, test_key("old"), answer_of_age(std::chrono::hours(2)));
  EXPECT_TRUE(eventually([&] {
    cache->clear_memory();
    return !cache->lookup(test_key("old"));
  }));
  EXPECT_TRUE(cache->lookup(test_key("29")));
}

TEST_F(SqliteTier, IsCountedAndCleared) {
  const DatabaseOptions database = options().database;
  EXPECT_EQ(count_tier(database, std::chrono::seconds(30))->entries, 0U);
  EXPECT_FALSE(fs::exists(file())) << "counting must not create a file";
  const auto cache = connected(options());
  store_and_wait(*cache, test_key("a"), test_answer());
  EXPECT_EQ(count_tier(database, std::chrono::seconds(30))->entries, 1U);
  EXPECT_EQ(clear_tier(database, std::chrono::seconds(30)), 1U) << "while a server has it open";
  cache->clear_memory();
  EXPECT_FALSE(cache->lookup(test_key("a")));
  store_and_wait(*cache, test_key("a"), test_answer());
  cache->clear_memory();
  EXPECT_TRUE(cache->lookup(test_key("a")));
}

TEST_F(SqliteTier, ServesTwoProcessesThatWriteTogether) {
  const auto one = connected(options());
  const auto two = connected(options());
  for (int i = 0; i < 50; ++i) {
    one->store(test_key("one" + std::to_string(i)), test_answer("one"));
    two->store(test_key("two" + std::to_string(i)), test_answer("two"));
  }
  ASSERT_TRUE(one->wait_until_written(soon()) && two->wait_until_written(soon()));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(two->lookup(test_key("one" + std::to_string(i)))->answer->payload, "one");
    EXPECT_EQ(one->lookup(test_key("two" + std::to_string(i)))->answer->payload, "two");
  }
  EXPECT_EQ(stats_of(*one, Tier::kDatabase).dropped_writes + stats_of(*two, Tier::kDatabase).dropped_writes,
            0U);
}

}  // namespace
}  // namespace fovea::cache
