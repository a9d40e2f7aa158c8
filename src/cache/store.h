#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "cache/answer.h"
#include "cache/timer.h"

namespace fovea::cache {

/// What a lookup found.
struct Found {
  AnswerPtr answer = nullptr;  ///< null: none
  bool damaged = false;        ///< there was an entry, but not what was put there; it has been deleted
};

struct Usage {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

/// One connection to a place outside this process that keeps answers. Used by one thread at a time. Every
/// call ends soon after its deadline, with kCancelled; after any error the connection must be opened
/// again. Other errors: kUnavailable, kIo, kDamaged (the place itself, not one entry), kUsage (the
/// configuration).
class Store {
 public:
  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  virtual Result<void> open(Clock::time_point deadline) = 0;
  virtual void close() = 0;

  virtual Result<Found> get(const Key& key, Clock::time_point deadline) = 0;
  virtual Result<void> put(std::span<const Entry> entries, Clock::time_point deadline) = 0;
  /// What it holds; null Usage where the place cannot say without reading everything.
  virtual Result<std::optional<Usage>> usage(Clock::time_point deadline) = 0;
  /// Up to `count` of the newest answers, newest first, until `take` says false. A key can come again, with
  /// an older answer.
  virtual Result<void> newest(std::size_t count, const std::function<bool(Entry)>& take,
                              Clock::time_point deadline) = 0;
  /// Deletes what its retention does not cover any more; at the deadline the rest waits for the next time.
  virtual Result<void> prune(Clock::time_point deadline) = 0;

  /// Counts and deletes everything: for maintenance, takes its time. Nothing of others is touched.
  virtual Result<Usage> count_all(Clock::time_point deadline) = 0;
  virtual Result<std::uint64_t> clear(Clock::time_point deadline) = 0;
};

/// Makes the connections of one tier: one for lookups, one for writes.
using StoreFactory = std::function<std::unique_ptr<Store>()>;

}  // namespace fovea::cache
