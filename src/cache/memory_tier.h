#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "cache/answer.h"
#include "cache/key.h"
#include "cache/stats.h"

namespace fovea::cache {

struct MemoryOptions {
  std::size_t max_entries = 1000;
  std::size_t max_bytes = std::size_t{64} << 20;  ///< as size_in_memory() counts; a larger answer is not kept
  std::size_t max_uploads = 10'000;               ///< entries of the index of uploads, 64 bytes and more each
};

/// A map that forgets what was used longest ago. Not thread-safe.
template <class Value>
class LeastRecentlyUsed {
 public:
  struct Node {
    Key key;
    Value value;
  };

  /// The value, now the most recently used; null where there is none. Valid until the next change.
  const Value* find(const Key& key) {
    const auto place = places_.find(key);
    if (place == places_.end()) return nullptr;
    nodes_.splice(nodes_.begin(), nodes_, place->second);
    return &place->second->value;
  }
  [[nodiscard]] bool contains(const Key& key) const { return places_.contains(key); }
  void push_front(const Key& key, Value value) {
    nodes_.push_front({key, std::move(value)});
    places_.emplace(key, nodes_.begin());
  }
  void push_back(const Key& key, Value value) {
    nodes_.push_back({key, std::move(value)});
    places_.emplace(key, std::prev(nodes_.end()));
  }
  std::optional<Value> take(const Key& key) {
    const auto place = places_.find(key);
    if (place == places_.end()) return std::nullopt;
    Value value = std::move(place->second->value);
    nodes_.erase(place->second);
    places_.erase(place);
    return value;
  }
  /// The one used longest ago. There must be one.
  Value take_oldest() {
    Value value = std::move(nodes_.back().value);
    places_.erase(nodes_.back().key);
    nodes_.pop_back();
    return value;
  }
  void clear() {
    places_.clear();
    nodes_.clear();
  }
  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  std::list<Node> nodes_;  // most recently used first
  std::unordered_map<Key, typename std::list<Node>::iterator> places_;
};

/// The answers used most recently, in this process's memory, and which uploaded files they were given to.
/// Thread-safe: one mutex, held for well under a microsecond.
class MemoryTier {
 public:
  explicit MemoryTier(MemoryOptions options) : options_(options) {}

  /// Null where there is none.
  AnswerPtr find(const Key& key);
  /// Adds an answer that was found elsewhere, unless there is a newer one by now.
  void insert_found(const Key& key, AnswerPtr answer);
  /// Replaces what was there.
  void insert(const Key& key, AnswerPtr answer);
  /// Adds an answer as the one used longest ago, unless its key has one. False when there is no room.
  bool insert_cold(const Key& key, AnswerPtr answer);

  /// The answer_key that remember_upload() was told for this upload_key.
  std::optional<Key> find_upload(const Key& upload);
  void remember_upload(const Key& upload, const Key& answer);

  /// Forgets all; returns how many answers there were.
  std::size_t clear();
  [[nodiscard]] TierStats stats() const;

 private:
  // With mutex_ held.
  void insert_locked(const Key& key, AnswerPtr answer);

  const MemoryOptions options_;
  mutable std::mutex mutex_;
  LeastRecentlyUsed<AnswerPtr> answers_;  // guarded by mutex_
  LeastRecentlyUsed<Key> uploads_;        // guarded by mutex_
  std::size_t bytes_ = 0;                 // guarded by mutex_
  std::uint64_t hits_ = 0;                // guarded by mutex_
  std::uint64_t misses_ = 0;              // guarded by mutex_
  std::uint64_t writes_ = 0;              // guarded by mutex_
};

}  // namespace fovea::cache
