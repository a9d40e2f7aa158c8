#include "cache/stats.h"

namespace fovea::cache {
namespace {

nlohmann::ordered_json optional_number(const std::optional<std::uint64_t>& number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json tier_json(const TierStats& stats) {
  return {{"state", state_name(stats.state)},
          {"hits", stats.hits},
          {"misses", stats.misses},
          {"errors", stats.errors},
          {"timeouts", stats.timeouts},
          {"skipped", stats.skipped},
          {"damaged", stats.damaged},
          {"writes", stats.writes},
          {"dropped_writes", stats.dropped_writes},
          {"queued_writes", stats.queued_writes},
          {"entries", optional_number(stats.entries)},
          {"bytes", optional_number(stats.bytes)},
          {"last_error", stats.last_error.empty() ? nlohmann::ordered_json(nullptr)
                                                  : nlohmann::ordered_json(stats.last_error)}};
}

}  // namespace

const char* tier_name(Tier tier) {
  switch (tier) {
    case Tier::kMemory:
      return "memory";
    case Tier::kRedis:
      return "redis";
    case Tier::kDatabase:
      return "database";
  }
  return "memory";
}

const char* state_name(TierState state) {
  switch (state) {
    case TierState::kDisabled:
      return "disabled";
    case TierState::kUp:
      return "up";
    case TierState::kDown:
      return "down";
  }
  return "disabled";
}

nlohmann::ordered_json to_json(const CacheStats& stats) {
  auto json = nlohmann::ordered_json::object();
  for (const TierStats& tier : stats.tiers) json[tier_name(tier.tier)] = tier_json(tier);
  return json;
}

}  // namespace fovea::cache
