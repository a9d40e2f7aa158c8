// What the response cache costs: cache_bench [URL of a Redis]. Prints medians and 99th percentiles; SQLite
// goes to a temporary folder, Redis is left out without a URL (of one without a password, and that nobody
// else uses: it is made to hang). Exit status 1: a tier known to be down held up a lookup for 5 ms.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cache/socket.h"
#include "cache/tiered_cache.h"

namespace {

namespace cache = fovea::cache;
using cache::Clock;

/// Microseconds that a tier which is known to be down may take from a lookup.
constexpr double kMostForDown = 5000;

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

/// Prints what a measurement gave, and gives the 99th percentile back.
double tell(const std::string& name, std::vector<double> micros) {
  std::ranges::sort(micros);
  const auto at = [&](double part) {
    return micros[static_cast<std::size_t>(part * static_cast<double>(micros.size() - 1))];
  };
  const auto late = micros.end() - std::ranges::upper_bound(micros, kMostForDown);
  fmt::print("{:<34} p50 {:>9.2f} us  p99 {:>9.2f} us  longest {:>9.1f} us  over 5 ms: {} of {}\n", name,
             at(0.5), at(0.99), micros.back(), late, micros.size());
  return at(0.99);
}

double micros_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// Runs `work(i)` many times, `inner` in one measurement, and tells how long one took.
template <class Work>
double measure(const std::string& name, int repeats, int inner, const Work& work) {
  std::vector<double> micros;
  for (int r = 0; r < repeats; ++r) {
    const auto start = Clock::now();
    for (int i = 0; i < inner; ++i) work(r * inner + i);
    micros.push_back(micros_since(start) / inner);
  }
  return tell(name, std::move(micros));
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
  measure(name + ", hit", 20'000, 1,
          [&](int i) { require(tiered.lookup(numbered(i % kEntries)).has_value(), "no hit"); });
  measure(name + ", miss", 20'000, 1,
          [&](int i) { require(!tiered.lookup(numbered(-1 - i)), "a false hit"); });
}

/// Threads that compute for as long as it lives, one for every processor: as inference keeps them.
class BusyProcessors {
 public:
  BusyProcessors() {
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
      threads_.emplace_back([](const std::stop_token& stop) {
        std::atomic<std::uint64_t> count = 0;
        while (!stop.stop_requested()) ++count;
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

/// No command is answered for so long, by anyone's connection.
void hang(const cache::RedisOptions& redis, std::chrono::milliseconds time) {
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  auto socket = redis.unix_path.empty() ? cache::Socket::connect_tcp(redis.host, redis.port, deadline)
                                        : cache::Socket::connect_unix(redis.unix_path, deadline);
  require(socket.has_value(), "Redis cannot be connected to");
  require(socket->send(fmt::format("CLIENT PAUSE {} ALL\r\n", time.count()), deadline).has_value(),
          "Redis takes no command");
  std::array<char, 64> reply{};
  const auto got = socket->receive(reply, deadline);
  require(got.has_value() && std::string_view(reply.data(), *got).starts_with("+OK"), "Redis does not pause");
}

/// What a Redis that stops answering costs who asks it first, and those that come after.
void measure_hanging(const cache::TieredCacheOptions& options) {
  using std::chrono::milliseconds;
  const auto is_up = [](const cache::TieredCache& tiered) {
    return tiered.stats().tiers[static_cast<std::size_t>(cache::Tier::kRedis)].state == cache::TierState::kUp;
  };
  std::vector<double> first, after;
  for (int i = 0; i < 40; ++i) {
    cache::TieredCache tiered(options);
    require(tiered.wait_until_tried(Clock::now() + std::chrono::seconds(10)) && is_up(tiered),
            "Redis does not connect");
    hang(*options.redis, milliseconds(300));
    auto start = Clock::now();
    require(!tiered.lookup(numbered(-1)), "a hit while Redis hangs");
    first.push_back(micros_since(start));
    while (is_up(tiered)) std::this_thread::yield();
    for (int k = 0; k < 100; ++k) {
      start = Clock::now();
      require(!tiered.lookup(numbered(-1)), "a hit while Redis hangs");
      after.push_back(micros_since(start));
    }
    std::this_thread::sleep_for(milliseconds(350));
  }
  tell("Redis hangs, who asks first", first);
  require(tell("Redis hangs, whoever comes after", after) < kMostForDown,
          "a tier that is down is waited for");
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
    {
      const BusyProcessors busy;
      measure_tier("Redis, all processors busy", options);
    }
    measure_hanging(options);
  }
  {
    cache::TieredCacheOptions options;
    options.redis = cache::RedisOptions{.unix_path = "/nonexistent/redis.sock"};
    options.database = cache::PostgresOptions{"host=127.0.0.1 port=1 dbname=none"};
    cache::TieredCache down(options);
    require(down.wait_until_tried(Clock::now() + std::chrono::seconds(10)),
            "the attempts to connect do not end");
    const double p99 = measure("Redis and PostgreSQL down, miss", 50'000, 1,
                               [&](int i) { require(!down.lookup(numbered(i)), "a false hit"); });
    require(p99 < kMostForDown, "a tier that is down is waited for");
  }
  return 0;
}
