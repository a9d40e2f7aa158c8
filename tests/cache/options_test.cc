#include "cache/options.h"

#include <gtest/gtest.h>

#include <string>

#include "cache/stats.h"

namespace fovea::cache {
namespace {

TEST(RedisUrl, NamesHostPortUserPasswordAndDatabase) {
  const auto full = parse_redis_url("redis://user:pass@example.org:7000/2");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->host, "example.org");
  EXPECT_EQ(full->port, 7000);
  EXPECT_EQ(full->user, "user");
  EXPECT_EQ(full->password, "pass");
  EXPECT_EQ(full->database, 2);
  EXPECT_EQ(full->unix_path, "");

  const auto least = parse_redis_url("redis://");
  ASSERT_TRUE(least);
  EXPECT_EQ(least->host, "localhost");
  EXPECT_EQ(least->port, 6379);
  EXPECT_EQ(parse_redis_url("redis://:only@h")->password, "only");
  EXPECT_EQ(parse_redis_url("redis://:only@h")->user, "");
  EXPECT_EQ(parse_redis_url("redis://u:a%40b%3A%2Fc@h/")->password, "a@b:/c");
  EXPECT_EQ(parse_redis_url("redis://u:a@b@h")->password, "a@b");
  EXPECT_EQ(parse_redis_url("redis://[::1]:7000")->host, "::1");
  EXPECT_EQ(parse_redis_url("redis://[::1]:7000")->port, 7000);
}

TEST(RedisUrl, NamesASocket) {
  const auto url = parse_redis_url("unix:///run/redis%20x/redis.sock?db=1&password=a%26b&user=me");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->unix_path, "/run/redis x/redis.sock");
  EXPECT_EQ(url->database, 1);
  EXPECT_EQ(url->password, "a&b");
  EXPECT_EQ(url->user, "me");
}

TEST(RedisUrl, ThatIsWrongIsRefusedWithoutShowingIt) {
  for (const std::string url :
       {"", "localhost", "http://hidden@h", "rediss://:hidden@h", "redis://:hidden@h:0",
        "redis://:hidden@h:70000", "redis://:hidden@h:", "redis://:hidden@h/x", "redis://:hidden@h/-1",
        "redis://:hidden%zz@h", "redis://:hidden%0@h", "redis://:hidden%00@h", "redis://:hidden@[::1",
        "redis://:hidden@[::1]x", "unix://relative?password=hidden", "unix:///s?db=hidden",
        "unix:///s?other=hidden"}) {
    const auto parsed = parse_redis_url(url);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage);
    EXPECT_EQ(parsed.error().message.find("hidden"), std::string::npos) << parsed.error().message;
  }
}

TEST(DatabaseText, IsAFileAUrlConnectionWordsOrNone) {
  EXPECT_TRUE(std::holds_alternative<std::monostate>(parse_database("none").value()));
  EXPECT_EQ(std::get<SqliteOptions>(parse_database("answers.db").value()).path, "answers.db");
  EXPECT_EQ(std::get<SqliteOptions>(parse_database("sqlite:/a/b.db").value()).path, "/a/b.db");
  EXPECT_EQ(std::get<SqliteOptions>(parse_database("sqlite:a=b").value()).path, "a=b");
  for (const char* text :
       {"postgresql://u:p@h/d", "postgres://h", "host=h dbname=d", "dbname=d", "host=/run/p dbname=d"}) {
    EXPECT_EQ(std::get<PostgresOptions>(parse_database(text).value()).conninfo, text);
  }
  for (const char* text :
       {"", "mysql://u:hidden@h/d", "postgresql://u:hidden%zz@h/d", "host=h passwort=hidden"}) {
    const auto parsed = parse_database(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage);
    EXPECT_EQ(parsed.error().message.find("hidden"), std::string::npos) << parsed.error().message;
  }
}

TEST(Places, AreDescribedWithoutPasswords) {
  EXPECT_EQ(describe(parse_redis_url("redis://u:hidden@h:7/2").value()), "Redis at h:7, database 2");
  EXPECT_EQ(describe(parse_redis_url("unix:///s?password=hidden").value()), "Redis at /s");
  EXPECT_EQ(describe(parse_database("postgresql://u:hidden@h:7/d").value()), "PostgreSQL at h:7, database d");
  EXPECT_EQ(describe(parse_database("/a/b.db").value()), "SQLite, /a/b.db");
  EXPECT_EQ(describe(parse_database("none").value()), "none");
}

TEST(CacheMode, IsOneOfThree) {
  EXPECT_EQ(parse_mode("use"), Mode::kUse);
  EXPECT_EQ(parse_mode("refresh"), Mode::kRefresh);
  EXPECT_EQ(parse_mode("off"), Mode::kOff);
  EXPECT_EQ(parse_mode("on").error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(looks_up(Mode::kUse) && stores(Mode::kUse));
  EXPECT_TRUE(!looks_up(Mode::kRefresh) && stores(Mode::kRefresh));
  EXPECT_TRUE(!looks_up(Mode::kOff) && !stores(Mode::kOff));
}

TEST(CacheStatsJson, NamesEveryTierAndItsState) {
  CacheStats stats;
  stats.tiers[0] = {.tier = Tier::kMemory, .state = TierState::kUp, .hits = 3, .entries = 2, .bytes = 500};
  stats.tiers[1] = {.tier = Tier::kRedis, .state = TierState::kDown, .skipped = 1, .last_error = "gone"};
  stats.tiers[2] = {.tier = Tier::kDatabase};
  const auto json = to_json(stats);
  EXPECT_EQ(json["memory"]["state"], "up");
  EXPECT_EQ(json["memory"]["hits"], 3);
  EXPECT_EQ(json["memory"]["entries"], 2);
  EXPECT_EQ(json["memory"]["last_error"], nullptr);
  EXPECT_EQ(json["redis"]["state"], "down");
  EXPECT_EQ(json["redis"]["entries"], nullptr);
  EXPECT_EQ(json["redis"]["last_error"], "gone");
  EXPECT_EQ(json["database"]["state"], "disabled");
}

}  // namespace
}  // namespace fovea::cache
