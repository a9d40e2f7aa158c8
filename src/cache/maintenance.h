#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"
#include "cache/options.h"
#include "cache/store.h"

namespace fovea::cache {

/// The two connections of a tier.
struct TierStores {
  StoreFactory reader;
  StoreFactory writer;
};

TierStores redis_stores(const RedisOptions& options, const TierOptions& tiers);
/// `options` must name a database.
TierStores database_stores(const DatabaseOptions& options, const Retention& retention,
                           const TierOptions& tiers);

/// What Redis or a database holds of ours, counted now over a connection of its own: for `fovea cache stats`.
/// Errors: as Store.
Result<Usage> count_tier(const RedisOptions& options, std::chrono::milliseconds timeout);
Result<Usage> count_tier(const DatabaseOptions& options, std::chrono::milliseconds timeout);

/// Deletes all that a tier holds of ours, the history too; how many entries there were. A running server
/// keeps what is in its memory. Errors: as Store.
Result<std::uint64_t> clear_tier(const RedisOptions& options, std::chrono::milliseconds timeout);
Result<std::uint64_t> clear_tier(const DatabaseOptions& options, std::chrono::milliseconds timeout);

}  // namespace fovea::cache
