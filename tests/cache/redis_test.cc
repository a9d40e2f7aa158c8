#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cache/maintenance.h"
#include "support/services.h"
#include "tiers.h"

namespace fovea::cache {
namespace {

class RedisTier : public ::testing::Test {
 protected:
  [[nodiscard]] TieredCacheOptions options(const std::string& url = {}) const {
    TieredCacheOptions options = patient_options();
    options.redis = parse_redis_url(url.empty() ? server.url() : url).value();
    return options;
  }
  /// Another process, as far as Redis can tell: one that has nothing in memory.
  [[nodiscard]] std::optional<Hit> ask_afresh(const Key& key) const {
    return connected(options())->lookup(key);
  }
  static std::string name(const Key& key) { return "fovea:answer:" + key.hex(); }

  test::RedisServer server;
};

TEST_F(RedisTier, KeepsAnswersForOtherProcesses) {
  const Key key = test_key("a");
  const auto first = connected(options());
  EXPECT_FALSE(first->lookup(key));
  store_and_wait(*first, key, test_answer());
  EXPECT_EQ(first->lookup(key)->tier, Tier::kMemory);

  const auto second = connected(options());
  const auto hit = second->lookup(key);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->tier, Tier::kRedis);
  EXPECT_EQ(*hit->answer, *test_answer());
  EXPECT_EQ(second->lookup(key)->tier, Tier::kMemory) << "a hit is copied upwards";
  EXPECT_FALSE(second->lookup(test_key("b")));
  const TierStats stats = stats_of(*second, Tier::kRedis);
  EXPECT_EQ(stats.hits, 1U);
  EXPECT_EQ(stats.misses, 1U);
  EXPECT_EQ(stats.errors + stats.timeouts + stats.skipped, 0U);
}

TEST_F(RedisTier, LetsEntriesExpire) {
  TieredCacheOptions timed = options();
  timed.redis->ttl = std::chrono::seconds(1000);
  const auto cache = connected(timed);
  store_and_wait(*cache, test_key("a"), test_answer());
  const int left = std::stoi(server.cli("TTL " + name(test_key("a"))));
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 1000);

  timed.redis->ttl = std::chrono::seconds(0);
  store_and_wait(*connected(timed), test_key("b"), test_answer());
  EXPECT_EQ(std::stoi(server.cli("TTL " + name(test_key("b")))), -1);
}

TEST_F(RedisTier, UsesTheDatabaseOfTheUrl) {
  store_and_wait(*connected(options(server.tcp_url() + "/3")), test_key("a"), test_answer());
  EXPECT_EQ(server.cli("-n 3 DBSIZE"), "1\n");
  EXPECT_EQ(server.cli("-n 0 DBSIZE"), "0\n");
}

TEST_F(RedisTier, NeverServesWhatDoesNotVerifyAndDeletesIt) {
  const Key key = test_key("a");
  const Key other = test_key("b");
  const auto writer = connected(options());
  const std::vector<std::string> damages = {
      "SET " + name(key) + " nonsense",
      "SETRANGE " + name(key) + " 50 x",
      "APPEND " + name(key) + " x",
      "COPY " + name(other) + " " + name(key) + " REPLACE",  // sound, but another question's
      "DEL " + name(key) + "; redis-cli -s '" + server.unix_path() + "' LPUSH " + name(key) + " x",
  };
  for (const std::string& damage : damages) {
    store_and_wait(*writer, key, test_answer());
    store_and_wait(*writer, other, test_answer("another answer"));
    (void)server.cli(damage);
    ASSERT_EQ(server.cli("EXISTS " + name(key)), "1\n") << damage;
    const auto reader = connected(options());
    EXPECT_FALSE(reader->lookup(key)) << damage;
    EXPECT_EQ(stats_of(*reader, Tier::kRedis).damaged, 1U) << damage;
    EXPECT_EQ(stats_of(*reader, Tier::kRedis).state, TierState::kUp) << damage;
    EXPECT_EQ(server.cli("EXISTS " + name(key)), "0\n") << damage;
    EXPECT_EQ(reader->lookup(other)->answer->payload, "another answer");
  }
}

TEST_F(RedisTier, NeitherStoresNorReadsEntriesThatAreTooLarge) {
  TieredCacheOptions large = options();
  large.tiers.max_value_bytes = std::size_t{1} << 20;
  TieredCacheOptions small = options();
  small.tiers.max_value_bytes = 10'000;
  const Key key = test_key("a");
  const auto picky = connected(small);
  store_and_wait(*picky, key, test_answer(std::string(20'000, 'x')));
  EXPECT_EQ(server.cli("DBSIZE"), "0\n");
  EXPECT_EQ(stats_of(*picky, Tier::kRedis).dropped_writes, 1U);

  store_and_wait(*connected(large), key, test_answer(std::string(200'000, 'x')));
  picky->clear_memory();
  EXPECT_FALSE(picky->lookup(key));
  EXPECT_EQ(stats_of(*picky, Tier::kRedis).damaged, 1U);
}

TEST_F(RedisTier, IsSkippedWhileItIsGoneAndUsedAgainWhenItIsBack) {
  const Key key = test_key("a");
  const auto cache = connected(options());
  store_and_wait(*cache, key, test_answer());
  server.kill();
  cache->clear_memory();
  EXPECT_FALSE(cache->lookup(key));
  EXPECT_TRUE(eventually([&] { return !is_up(*cache, Tier::kRedis); }));
  EXPECT_FALSE(cache->lookup(key));
  const TierStats down = stats_of(*cache, Tier::kRedis);
  EXPECT_GE(down.skipped, 1U);
  EXPECT_FALSE(down.last_error.empty());

  cache->store(key, test_answer("stored while Redis was gone"));
  server.start();
  EXPECT_TRUE(eventually([&] { return is_up(*cache, Tier::kRedis); }));
  EXPECT_TRUE(cache->wait_until_written(soon()));
  const auto hit = ask_afresh(key);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->answer->payload, "stored while Redis was gone");
}

TEST_F(RedisTier, IsFoundToBeGoneBeforeAnyoneAsks) {
  TieredCacheOptions watchful = options();
  watchful.tiers.probe_interval = std::chrono::milliseconds(10);
  const auto cache = connected(watchful);
  server.kill();
  EXPECT_TRUE(eventually([&] { return !is_up(*cache, Tier::kRedis); }));
  EXPECT_EQ(stats_of(*cache, Tier::kRedis).misses, 0U) << "looking after it is no lookup";
}

TEST_F(RedisTier, ThatHangsIsGivenUpAndThenSkipped) {
  TieredCacheOptions hasty = options();
  hasty.tiers.lookup_timeout = std::chrono::milliseconds(100);
  hasty.tiers.connect_timeout = std::chrono::milliseconds(100);
  const Key key = test_key("a");
  const auto cache = connected(hasty);
  store_and_wait(*cache, key, test_answer());
  cache->clear_memory();
  server.hang();
  EXPECT_FALSE(cache->lookup(key));
  EXPECT_TRUE(eventually([&] { return stats_of(*cache, Tier::kRedis).timeouts >= 1; }));
  EXPECT_TRUE(eventually([&] { return !is_up(*cache, Tier::kRedis); }));
  const std::uint64_t timeouts = stats_of(*cache, Tier::kRedis).timeouts;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(cache->lookup(key));
  EXPECT_EQ(stats_of(*cache, Tier::kRedis).timeouts, timeouts) << "a tier that is down is not waited for";

  server.go_on();
  EXPECT_TRUE(eventually([&] {
    const auto hit = cache->lookup(key);
    return hit && hit->tier == Tier::kRedis;
  }));
}

TEST_F(RedisTier, NeverTellsALookupBeyondItsDeadline) {
  TieredCacheOptions slow = options();  // 20 s for a lookup, so that only the caller's deadline can end it
  const auto cache = connected(slow);
  server.hang();
  EXPECT_FALSE(cache->lookup(test_key("a"), Clock::now() + std::chrono::milliseconds(50)));
  EXPECT_TRUE(eventually([&] { return stats_of(*cache, Tier::kRedis).timeouts == 1; }));
  EXPECT_FALSE(cache->lookup(test_key("a"), Clock::now() - std::chrono::milliseconds(1)));
  server.go_on();
}

TEST_F(RedisTier, DropsTheOldestWritesWhenItsQueueIsFull) {
  TieredCacheOptions narrow = options();
  narrow.tiers.max_queued_writes = 10;
  const auto cache = connected(narrow);
  server.kill();
  EXPECT_FALSE(cache->lookup(test_key("x")));
  for (int i = 0; i < 300; ++i) cache->store(test_key(std::to_string(i)), test_answer(std::to_string(i)));
  EXPECT_LE(stats_of(*cache, Tier::kRedis).queued_writes, 10U);
  EXPECT_GE(stats_of(*cache, Tier::kRedis).dropped_writes, 100U);
  server.start();
  EXPECT_TRUE(cache->wait_until_written(soon()));
  EXPECT_EQ(ask_afresh(test_key("299"))->answer->payload, "299");
  EXPECT_FALSE(ask_afresh(test_key("0")));
}

TEST_F(RedisTier, AnswersManyThreadsWithTheAnswersOfTheirKeys) {
  constexpr int kKeys = 50;
  TieredCacheOptions forgetful = options();
  forgetful.memory.max_entries = 5;
  const auto cache = connected(forgetful);
  for (int i = 0; i < kKeys; ++i) cache->store(test_key(std::to_string(i)), test_answer(std::to_string(i)));
  ASSERT_TRUE(cache->wait_until_written(soon()));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string text = std::to_string((i * 13 + t * 7) % kKeys);
        const auto hit = cache->lookup(test_key(text));
        ASSERT_TRUE(hit);
        ASSERT_EQ(hit->answer->payload, text);
      }
    });
  }
}

TEST_F(RedisTier, EndsWithLookupsAndWritesInFlight) {
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> called{0};
    {
      TieredCacheOptions both = options();
      both.memory.max_entries = 0;
      TieredCache cache(both);
      if (round % 2 == 0) EXPECT_TRUE(cache.wait_until_tried(soon()));
      for (int i = 0; i < 100; ++i) {
        cache.store(test_key(std::to_string(i)), test_answer());
        cache.lookup_async(test_key(std::to_string(i)), [&](std::optional<Hit>) { ++called; });
      }
    }
    EXPECT_EQ(called, 100);
  }
}

TEST_F(RedisTier, IsCountedAndClearedWithoutTouchingOthersKeys) {
  (void)server.cli("SET theirs 1");
  const auto cache = connected(options());
  for (int i = 0; i < 2500; ++i) {
    cache->store(test_key(std::to_string(i)), test_answer());
    if (i % 500 == 0) ASSERT_TRUE(cache->wait_until_written(soon()));
  }
  ASSERT_TRUE(cache->wait_until_written(soon()));
  const RedisOptions redis = *options().redis;
  const auto usage = count_tier(redis, std::chrono::seconds(30));
  ASSERT_TRUE(usage) << usage.error().message;
  EXPECT_EQ(usage->entries, 2500U);
  EXPECT_GT(usage->bytes, 2500U * 100U);
  EXPECT_EQ(clear_tier(redis, std::chrono::seconds(30)), 2500U);
  EXPECT_EQ(count_tier(redis, std::chrono::seconds(30))->entries, 0U);
  EXPECT_EQ(server.cli("DBSIZE"), "1\n");
}

TEST(RedisTierPassword, IsNeededAndNeverTold) {
  test::RedisServer server("s3cret-word");
  TieredCacheOptions options = patient_options();
  options.redis = parse_redis_url(server.url()).value();
  store_and_wait(*connected(options), test_key("a"), test_answer());

  for (const char* password : {"", "wr0ng-word"}) {
    options.redis->password = password;
    TieredCache refused(options);
    ASSERT_TRUE(refused.wait_until_tried(soon()));
    const TierStats stats = stats_of(refused, Tier::kRedis);
    EXPECT_EQ(stats.state, TierState::kDown);
    EXPECT_FALSE(stats.last_error.empty());
    EXPECT_EQ(stats.last_error.find("wr0ng-word"), std::string::npos) << stats.last_error;
    EXPECT_FALSE(refused.lookup(test_key("a")));
  }

  (void)server.cli("ACL SETUSER reader on '>p@ss:w/rd' '~*' '+@all'");
  const auto user =
      parse_redis_url("redis://reader:p%40ss%3Aw%2Frd@127.0.0.1:" + std::to_string(server.port()));
  ASSERT_TRUE(user);
  options.redis = *user;
  EXPECT_TRUE(connected(options)->lookup(test_key("a")));
}

}  // namespace
}  // namespace fovea::cache
