#include "engine/embedding_cache.h"

#include <utility>

namespace fovea::engine {

std::shared_ptr<const Embeddings> EmbeddingCache::request(const std::shared_ptr<const Frame>& frame) {
  if (const auto found = ready_.find(frame->key); found != ready_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    ++reused_;
    return found->second->embeddings;
  }
  auto& slot = under_way_[frame->key];
  if (auto embeddings = slot.lock()) {
    ++reused_;
    return embeddings;
  }
  auto embeddings = std::make_shared<Embeddings>();
  slot = embeddings;
  waiting_.push_back({frame, embeddings});
  return embeddings;
}

std::vector<EmbeddingCache::Waiting> EmbeddingCache::take(std::size_t count) {
  std::vector<Waiting> taken;
  while (taken.size() < count && !waiting_.empty()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next.embeddings.use_count() == 1) {
      under_way_.erase(next.frame->key);
      continue;
    }
    taken.push_back(std::move(next));
  }
  return taken;
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
