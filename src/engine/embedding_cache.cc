#include "engine/embedding_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fovea::engine {

std::shared_ptr<const Embeddings> EmbeddingCache::request(const std::shared_ptr<const Frame>& frame,
                                                          TimePoint due) {
  if (const auto found = ready_.find(frame->key); found != ready_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    ++reused_;
    return found->second->embeddings;
  }
  auto& slot = under_way_[frame->key];
  if (auto embeddings = slot.lock()) {
    ++reused_;
    const auto same = std::ranges::find(waiting_, embeddings, &Waiting::embeddings);
    if (same != waiting_.end() && due < same->due) {
      Waiting sooner = std::move(*same);
      waiting_.erase(same);
      sooner.due = due;
      wait(std::move(sooner));
    }
    return embeddings;
  }
  auto embeddings = std::make_shared<Embeddings>();
  slot = embeddings;
  wait({frame, embeddings, due});
  return embeddings;
}

void EmbeddingCache::wait(Waiting frame) {
  waiting_.insert(std::ranges::upper_bound(waiting_, frame.due, {}, &Waiting::due), std::move(frame));
}

std::vector<EmbeddingCache::Waiting> EmbeddingCache::take(std::size_t count) {
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (waiting.wanted()) return false;
    abandon(waiting);
    return true;
  });
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(count, waiting_.size()));
  std::vector<Waiting> taken(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return taken;
}

void EmbeddingCache::abandon(const Waiting& left) {
  // Who asked for the frame after it was left waits for another encoding of it.
  const auto slot = under_way_.find(left.frame->key);
  if (slot != under_way_.end() && slot->second.lock() == left.embeddings) under_way_.erase(slot);
}

void EmbeddingCache::finish(const Waiting& done, std::vector<float> values) {
  done.embeddings->values = std::move(values);
  under_way_.erase(done.frame->key);
  ++encoded_;
  const std::size_t size = done.embeddings->values.size() * sizeof(float);
  if (size > max_bytes_) return;
  recent_.push_front({done.frame->key, done.embeddings});
  ready_[done.frame->key] = recent_.begin();
  bytes_ += size;
  while (bytes_ > max_bytes_) drop_oldest();
}

void EmbeddingCache::drop_oldest() {
  const Entry& oldest = recent_.back();
  bytes_ -= oldest.embeddings->values.size() * sizeof(float);
  ready_.erase(oldest.key);
  recent_.pop_back();
}

}  // namespace fovea::engine
