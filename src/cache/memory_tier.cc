#include "cache/memory_tier.h"

#include <utility>

namespace fovea::cache {

AnswerPtr MemoryTier::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const AnswerPtr* answer = answers_.find(key);
  ++(answer != nullptr ? hits_ : misses_);
  return answer != nullptr ? *answer : nullptr;
}

void MemoryTier::insert_found(const Key& key, AnswerPtr answer) {
  const std::lock_guard lock(mutex_);
  if (!answers_.contains(key)) insert_locked(key, std::move(answer));
}

void MemoryTier::insert(const Key& key, AnswerPtr answer) {
  const std::lock_guard lock(mutex_);
  if (const auto old = answers_.take(key)) bytes_ -= size_in_memory(**old);
  insert_locked(key, std::move(answer));
}

void MemoryTier::insert_locked(const Key& key, AnswerPtr answer) {
  const std::size_t size = size_in_memory(*answer);
  if (size > options_.max_bytes || options_.max_entries == 0) return;
  answers_.push_front(key, std::move(answer));
  bytes_ += size;
  ++writes_;
  while (answers_.size() > options_.max_entries || bytes_ > options_.max_bytes) {
    bytes_ -= size_in_memory(*answers_.take_oldest());
  }
}

bool MemoryTier::insert_cold(const Key& key, AnswerPtr answer) {
  const std::size_t size = size_in_memory(*answer);
  const std::lock_guard lock(mutex_);
  if (answers_.contains(key)) return true;
  if (answers_.size() >= options_.max_entries || bytes_ + size > options_.max_bytes) return false;
  answers_.push_back(key, std::move(answer));
  bytes_ += size;
  return true;
}

std::optional<Key> MemoryTier::find_upload(const Key& upload) {
  const std::lock_guard lock(mutex_);
  const Key* answer = uploads_.find(upload);
  if (answer == nullptr) return std::nullopt;
  return *answer;
}

void MemoryTier::remember_upload(const Key& upload, const Key& answer) {
  if (options_.max_uploads == 0) return;
  const std::lock_guard lock(mutex_);
  uploads_.take(upload);
  uploads_.push_front(upload, answer);
  while (uploads_.size() > options_.max_uploads) uploads_.take_oldest();
}

std::size_t MemoryTier::clear() {
  const std::lock_guard lock(mutex_);
  const std::size_t count = answers_.size();
  answers_.clear();
  uploads_.clear();
  bytes_ = 0;
  return count;
}

TierStats MemoryTier::stats() const {
  const std::lock_guard lock(mutex_);
  TierStats stats;
  stats.tier = Tier::kMemory;
  stats.state = TierState::kUp;
  stats.hits = hits_;
  stats.misses = misses_;
  stats.writes = writes_;
  stats.entries = answers_.size();
  stats.bytes = bytes_;
  return stats;
}

}  // namespace fovea::cache
