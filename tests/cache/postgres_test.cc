#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "cache/maintenance.h"
#include "support/services.h"
#include "tiers.h"

namespace fovea::cache {
namespace {

/// One server for all: making its files takes seconds.
class PostgresTier : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<test::PostgresServer>(); }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override { (void)server_->sql("DROP TABLE IF EXISTS fovea_answers"); }

  static TieredCacheOptions options() {
    TieredCacheOptions options = patient_options();
    options.database = parse_database(server_->url()).value();
    options.warm_entries = 0;
    return options;
  }

  static std::unique_ptr<test::PostgresServer> server_;
};

std::unique_ptr<test::PostgresServer> PostgresTier::server_;

TEST_F(PostgresTier, KeepsEveryAnswerServesTheNewestAndWarmsMemory) {
  const Key key = test_key("a");
  {
    const auto cache = connected(options());
    EXPECT_FALSE(cache->lookup(key));
    store_and_wait(*cache, key, test_answer("first"));
    store_and_wait(*cache, key, test_answer("second, with a \\ and a ' and ü"));
    for (int i = 0; i < 250; ++i) cache->store(test_key(std::to_string(i)), test_answer(std::to_string(i)));
    ASSERT_TRUE(cache->wait_until_written(soon()));
  }
  EXPECT_EQ(
      server_->sql(
          "SELECT count(*), min(model), min(task), min(latency_ms), min(created_ms) FROM fovea_answers"),
      "252|card-reader-s|trading-card|812.5|1790000000123\n");
  EXPECT_EQ(server_->sql("SELECT convert_from(payload, 'UTF8') FROM fovea_answers WHERE id = 1"), "first\n");

  const auto cache = connected(options());
  const auto hit = cache->lookup(key);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->tier, Tier::kDatabase);
  EXPECT_EQ(hit->answer->payload, "second, with a \\ and a ' and ü");
  EXPECT_EQ(hit->answer->created_ms, test_answer()->created_ms);

  TieredCacheOptions warming = options();
  warming.warm_entries = 150;
  TieredCache warm(warming);
  EXPECT_TRUE(eventually([&] { return stats_of(warm, Tier::kMemory).entries == 150U; }));
  EXPECT_EQ(warm.lookup_memory(test_key("249"))->payload, "249");
  EXPECT_EQ(warm.lookup_memory(test_key("0")), nullptr);
}

TEST_F(PostgresTier, NeverServesARowThatDoesNotVerifyAndDeletesIt) {
  for (const char* damage :
       {"UPDATE fovea_answers SET payload = 'changed'", "UPDATE fovea_answers SET latency_ms = 1",
        "UPDATE fovea_answers SET checksum = ''"}) {
    const auto cache = connected(options());
    store_and_wait(*cache, test_key("a"), test_answer());
    (void)server_->sql(damage);
    cache->clear_memory();
    EXPECT_FALSE(cache->lookup(test_key("a"))) << damage;
    EXPECT_EQ(stats_of(*cache, Tier::kDatabase).damaged, 1U) << damage;
    EXPECT_EQ(server_->sql("SELECT count(*) FROM fovea_answers"), "0\n") << damage;
  }
}

TEST_F(PostgresTier, KeepsNoMoreThanItsRetentionSays) {
  TieredCacheOptions brief = options();
  brief.retention.max_entries = 10;
  brief.retention.max_age = std::chrono::hours(0);
  brief.tiers.prune_interval = std::chrono::milliseconds(10);
  const auto cache = connected(brief);
  for (int i = 0; i < 30; ++i) cache->store(test_key(std::to_string(i)), test_answer());
  EXPECT_TRUE(cache->wait_until_written(soon()));
  EXPECT_TRUE(eventually([&] { return stats_of(*cache, Tier::kDatabase).entries == 10U; }));
}

TEST_F(PostgresTier, IsCountedAndCleared) {
  const auto cache = connected(options());
  store_and_wait(*cache, test_key("a"), test_answer());
  const DatabaseOptions database = options().database;
  EXPECT_EQ(count_tier(database, std::chrono::seconds(30))->entries, 1U);
  EXPECT_EQ(clear_tier(database, std::chrono::seconds(30)), 1U);
  EXPECT_EQ(count_tier(database, std::chrono::seconds(30))->entries, 0U);
}

TEST_F(PostgresTier, IsSkippedWhileItIsGoneAndUsedAgainWhenItIsBack) {
  const Key key = test_key("a");
  const auto cache = connected(options());
  store_and_wait(*cache, key, test_answer("before"));
  server_->kill();
  cache->clear_memory();
  EXPECT_FALSE(cache->lookup(key));
  EXPECT_TRUE(eventually([&] { return !is_up(*cache, Tier::kDatabase); }));
  EXPECT_FALSE(cache->lookup(key));
  EXPECT_GE(stats_of(*cache, Tier::kDatabase).skipped, 1U);
  cache->store(test_key("b"), test_answer("meanwhile"));
  server_->start();
  EXPECT_TRUE(eventually([&] { return is_up(*cache, Tier::kDatabase); }));
  EXPECT_TRUE(cache->wait_until_written(soon()));
  const auto other = connected(options());
  EXPECT_EQ(other->lookup(key)->answer->payload, "before");
  EXPECT_EQ(other->lookup(test_key("b"))->answer->payload, "meanwhile");
}

TEST_F(PostgresTier, ThatHangsIsGivenUpAndThenSkipped) {
  TieredCacheOptions hasty = options();
  const auto before = connected(hasty);
  store_and_wait(*before, test_key("a"), test_answer());
  hasty.tiers.lookup_timeout = std::chrono::milliseconds(200);
  hasty.tiers.connect_timeout = std::chrono::milliseconds(500);
  TieredCache cache(hasty);
  EXPECT_TRUE(eventually([&] { return is_up(cache, Tier::kDatabase); }));
  server_->hang();
  EXPECT_FALSE(cache.lookup(test_key("a")));
  EXPECT_TRUE(eventually([&] { return !is_up(cache, Tier::kDatabase); }));
  const std::uint64_t timeouts = stats_of(cache, Tier::kDatabase).timeouts;
  EXPECT_GE(timeouts, 1U);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(cache.lookup(test_key("a")));
  EXPECT_EQ(stats_of(cache, Tier::kDatabase).timeouts, timeouts);
  server_->go_on();
  EXPECT_TRUE(eventually([&] { return cache.lookup(test_key("a")).has_value(); }));
}

TEST_F(PostgresTier, WithAWrongPasswordIsDownAndTellsNoPassword) {
  TieredCacheOptions wrong = options();
  std::string url = server_->url();
  url.replace(url.find("secret"), 6, "wr0ng-word");
  wrong.database = parse_database(url).value();
  TieredCache cache(wrong);
  ASSERT_TRUE(cache.wait_until_tried(soon()));
  const TierStats stats = stats_of(cache, Tier::kDatabase);
  EXPECT_EQ(stats.state, TierState::kDown);
  EXPECT_NE(stats.last_error.find("password authentication failed"), std::string::npos) << stats.last_error;
  EXPECT_EQ(stats.last_error.find("wr0ng-word"), std::string::npos) << stats.last_error;
}

}  // namespace
}  // namespace fovea::cache
