// What the response cache costs: cache_bench [URL of a Redis]. Prints medians and 99th percentiles; SQLite
// goes to a temporary folder, Redis is left out without a URL.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cache/tiered_cache.h"

namespace {

namespace cache = fovea::cache;
using cache::Clock;

cache::Key numbered(int i) {
  const std::string text = std::to_string(i);
  return cache::digest_bytes(std::as_bytes(std::span(text)));
}

cache::AnswerPtr answer() {
  return std::make_shared<const cache::Answer>(cache::Answer{.payload = std::string(600, 'x'),
                                                             .model = "card-reader-s",
                                                             .model_version = "0123456789ab",
                                                             .task = "trading-card",
                                                             .created_ms = cache::now_ms(),
                                                             .latency_ms = 800});
}

/// Runs `work(i)` many times, `inner` in one measurement, and prints how long one took.
template <class Work>
void measure(const std::string& name, int repeats, int inner, const Work& work) {
  std::vector<double> micros;
  for (int r = 0; r < repeats; ++r) {
    const auto start = Clock::now();
    for (int i = 0; i < inner; ++i) work(r * inner + i);
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() / inner);
  }
  std::ranges::sort(micros);
  const auto at = [&](double part) {
    return micros[static_cast<std::size_t>(part * static_cast<double>(micros.size() - 1))];
  };
  fmt::print("{:<44} p50 {:>10.3f} us   p99 {:>10.3f} us\n", name, at(0.5), at(0.99));
}

void require(bool condition, const char* what) {
  if (condition) return;
  fmt::print(stderr, "cache_bench: {}\n", what);
  std::exit(1);
}

/// Lookups that only a lower tier can answer.
void measure_tier(const std::string& name, cache::TieredCacheOptions options) {
  options.memory.max_entries = 0;
  options.warm_entries = 0;
  options.tiers.lookup_timeout = std::chrono::seconds(10);
  cache::TieredCache tiered(options);
  require(tiered.wait_until_tried(Clock::now() + std::chrono::seconds(10)), "a tier does not connect");
  constexpr int kEntries = 500;
  for (int i = 0; i < kEntries; ++i) tiered.store(numbered(i), answer());
  require(tiered.wait_until_written(Clock::now() + std::chrono::seconds(30)), "a tier does not write");
  measure(name + ", hit", 3000, 1,
          [&](int i) { require(tiered.lookup(numbered(i % kEntries)).has_value(), "no hit"); });
  measure(name + ", miss", 3000, 1, [&](int i) { require(!tiered.lookup(numbered(-1 - i)), "a false hit"); });
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::size_t size : {std::size_t{100'000}, std::size_t{1'000'000}}) {
    std::vector<std::byte> bytes(size, std::byte{7});
    measure(fmt::format("SHA-256 of {} KB", size / 1000), 500, 1, [&](int i) {
      bytes[0] = static_cast<std::byte>(i);
      require(cache::digest_bytes(bytes) != cache::Digest{}, "no digest");
    });
  }
  const cache::Question question{
      .model = "0123456789ab", .task = "abcdef", .parameters = {{"mode", "auto"}, {"dtype", "int8"}}};
  const std::vector<cache::Digest> pictures = {numbered(1)};
  measure("key from digests", 500, 100,
          [&](int) { require(answer_key(pictures, question) != cache::Key{}, "no key"); });

  {
    cache::TieredCache memory({});
    std::vector<cache::Key> keys;
    for (int i = 0; i < 1000; ++i) {
      keys.push_back(numbered(i));
      memory.store(keys.back(), answer());
      memory.remember_upload(numbered(1000 + i), keys.back());
    }
    measure("memory, lookup_memory", 500, 1000,
            [&](int i) { require(memory.lookup_memory(keys[(i * 7) % 1000]) != nullptr, "no hit"); });
    measure("memory, lookup", 500, 1000,
            [&](int i) { require(memory.lookup(keys[(i * 7) % 1000]).has_value(), "no hit"); });
    std::vector<cache::Key> uploads;
    for (int i = 0; i < 1000; ++i) uploads.push_back(numbered(1000 + i));
    measure("memory, find_upload", 500, 1000,
            [&](int i) { require(memory.find_upload(uploads[(i * 7) % 1000]).has_value(), "no hit"); });
  }
  {
    std::string pattern = (std::filesystem::temp_directory_path() / "fovea-bench-XXXXXX").string();
    require(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
    cache::TieredCacheOptions options;
    options.database = cache::SqliteOptions{.path = std::filesystem::path(pattern) / "answers.db"};
    measure_tier("SQLite", options);
    std::filesystem::remove_all(pattern);
  }
  if (argc > 1) {
    cache::TieredCacheOptions options;
    const auto redis = cache::parse_redis_url(argv[1]);
    require(redis.has_value(), "the URL of Redis is wrong");
    options.redis = *redis;
    options.redis->prefix = "fovea:bench:";
    options.redis->ttl = std::chrono::seconds(60);
    measure_tier("Redis", options);
  }
  {
    cache::TieredCacheOptions options;
    options.redis = cache::RedisOptions{.unix_path = "/nonexistent/redis.sock"};
    options.database = cache::PostgresOptions{"host=127.0.0.1 port=1 dbname=none"};
    cache::TieredCache down(options);
    require(down.wait_until_tried(Clock::now() + std::chrono::seconds(10)),
            "the attempts to connect do not end");
    measure("Redis and PostgreSQL down, miss", 500, 100,
            [&](int i) { require(!down.lookup(numbered(i)), "a false hit"); });
  }
  return 0;
}
