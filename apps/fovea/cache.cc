#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cache/maintenance.h"
#include "cache/options.h"
#include "commands.h"
#include "common.h"

namespace fovea::cli {
namespace {

struct CacheArguments {
  std::string redis;
  std::string database;
  std::string tier = "all";
  double timeout = 60;
  bool yes = false;
  bool json = false;
};

/// A tier outside the server, with what can be done with it.
struct OuterTier {
  std::string name;
  std::string place;
  std::function<Result<cache::Usage>()> count;
  std::function<Result<std::uint64_t>()> clear;
};

template <class Options>
OuterTier outer_tier(const std::string& name, const Options& options, std::chrono::milliseconds timeout) {
  return {.name = name,
          .place = cache::describe(options),
          .count = [=] { return cache::count_tier(options, timeout); },
          .clear = [=] { return cache::clear_tier(options, timeout); }};
}

/// The tiers that are configured and wanted.
Result<std::vector<OuterTier>> outer_tiers(const CacheArguments& arguments) {
  const auto timeout = std::chrono::milliseconds(static_cast<long>(arguments.timeout * 1000));
  std::vector<OuterTier> tiers;
  if (!arguments.redis.empty() && arguments.tier != "database") {
    FOVEA_TRY(const cache::RedisOptions redis, cache::parse_redis_url(arguments.redis));
    tiers.push_back(outer_tier("redis", redis, timeout));
  }
  if (arguments.tier != "redis") {
    const std::string text =
        arguments.database.empty() ? cache::default_database_path().string() : arguments.database;
    FOVEA_TRY(const cache::DatabaseOptions database, cache::parse_database(text));
    if (!std::holds_alternative<std::monostate>(database)) {
      tiers.push_back(outer_tier("database", database, timeout));
    }
  }
  if (tiers.empty()) {
    return fail(ErrorCode::kUsage, arguments.tier == "redis" ? "cache: --tier redis needs --redis URL"
                                                             : "cache: no tier is configured");
  }
  return tiers;
}

constexpr const char* kOwnMemory =
    "A running server's memory is its own: see its /stats, and restart it to empty that.\n";

int run_stats(const CacheArguments& arguments) {
  const auto tiers = outer_tiers(arguments);
  if (!tiers) return report(tiers.error());
  int code = 0;
  auto json = nlohmann::ordered_json::object();
  for (const OuterTier& tier : *tiers) {
    const Result<cache::Usage> usage = tier.count();
    if (!usage) code = report(usage.error());
    auto& object = json[tier.name] = {{"place", tier.place}, {"state", usage ? "up" : "down"}};
    object["entries"] = usage ? nlohmann::ordered_json(usage->entries) : nlohmann::ordered_json(nullptr);
    object["bytes"] = usage ? nlohmann::ordered_json(usage->bytes) : nlohmann::ordered_json(nullptr);
    if (arguments.json) continue;
    if (usage) {
      fmt::print("{:<9} {:>9} entries {:>10.1f} MB   {}\n", tier.name, usage->entries,
                 static_cast<double>(usage->bytes) / 1e6, tier.place);
    } else {
      fmt::print("{:<9} down   {}\n", tier.name, tier.place);
    }
  }
  if (arguments.json) {
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "{}", kOwnMemory);
  }
  return code;
}

/// Asks on the terminal; where there is none, only --yes will do.
Result<bool> is_confirmed(const CacheArguments& arguments, const std::vector<OuterTier>& tiers) {
  if (arguments.yes) return true;
  if (::isatty(STDIN_FILENO) == 0) {
    return fail(ErrorCode::kUsage, "cache clear: deletes all stored answers and their history; add --yes");
  }
  fmt::print(stderr, "This deletes all stored answers and their history in:\n");
  for (const OuterTier& tier : tiers) fmt::print(stderr, "  {}\n", tier.place);
  fmt::print(stderr, "Go on? [y/N] ");
  std::string line;
  return std::getline(std::cin, line) && (line == "y" || line == "Y" || line == "yes");
}

int run_clear(const CacheArguments& arguments) {
  const auto tiers = outer_tiers(arguments);
  if (!tiers) return report(tiers.error());
  const Result<bool> confirmed = is_confirmed(arguments, *tiers);
  if (!confirmed) return report(confirmed.error());
  if (!*confirmed) return 1;
  int code = 0;
  auto json = nlohmann::ordered_json::object();
  for (const OuterTier& tier : *tiers) {
    const Result<std::uint64_t> deleted = tier.clear();
    if (!deleted) {
      code = report(deleted.error());
      continue;
    }
    json[tier.name] = {{"place", tier.place}, {"deleted", *deleted}};
    if (!arguments.json) fmt::print("{:<9} {:>9} entries deleted   {}\n", tier.name, *deleted, tier.place);
  }
  if (arguments.json) {
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "{}", kOwnMemory);
  }
  return code;
}

void add_options(CLI::App& command, CacheArguments& arguments) {
  command.add_option("--redis", arguments.redis,
                     "redis://[user[:password]@]host[:port][/db] or unix:///path[?db=1]");
  command.add_option("--database", arguments.database,
                     "A SQLite file, postgresql://…, or none (default: answers.db in the state folder)");
  command.add_option("--tier", arguments.tier, "Which of them")
      ->check(CLI::IsMember({"all", "redis", "database"}));
  command.add_option("--timeout", arguments.timeout, "Seconds to wait for each")
      ->check(CLI::Range(0.001, 86400.0));
  command.add_flag("--json", arguments.json, "Print one JSON object");
}

}  // namespace

void add_cache(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CacheArguments>();
  CLI::App* command = app.add_subcommand("cache", "Look into the stored answers, or delete them");
  command->require_subcommand(1);
  CLI::App* stats = command->add_subcommand("stats", "Count the answers in Redis and in the database");
  CLI::App* clear = command->add_subcommand("clear", "Delete the answers in Redis and in the database");
  add_options(*stats, *arguments);
  add_options(*clear, *arguments);
  clear->add_flag("--yes", arguments->yes, "Do not ask");
  stats->callback([arguments, &action] { action = [arguments] { return run_stats(*arguments); }; });
  clear->callback([arguments, &action] { action = [arguments] { return run_clear(*arguments); }; });
}

}  // namespace fovea::cli
