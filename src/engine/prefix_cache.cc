#include "engine/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace fovea::engine {

PrefixCache::~PrefixCache() {
  for (const Entry& entry : recent_) release(entry);
}

void PrefixCache::release(const Entry& entry) {
  for (const nn::PageId page : entry.pages) pool_.give_back(page);
}

std::size_t PrefixCache::common_beginning(const Entry& entry, std::span<const std::int32_t> ids,
                                          std::span<const std::shared_ptr<const Frame>> frames) const {
  const std::size_t most = std::min(entry.ids.size(), ids.size());
  std::size_t image_rows = 0;
  for (std::size_t i = 0; i < most; ++i) {
    if (entry.ids[i] != ids[i]) return i;
    if (ids[i] != image_token_id_) continue;
    const std::size_t frame = image_rows++ / tokens_per_frame_;
    if (frame >= frames.size() || entry.frames[frame] != frames[frame]->key) return i;
  }
  return most;
}

PrefixCache::Found PrefixCache::find(std::span<const std::int32_t> ids,
                                     std::span<const std::shared_ptr<const Frame>> frames) {
  std::size_t longest = 0;
  auto best = recent_.end();
  for (auto entry = recent_.begin(); entry != recent_.end(); ++entry) {
    const std::size_t common = common_beginning(*entry, ids, frames);
    if (common <= longest) continue;
    longest = common;
    best = entry;
  }
  if (best == recent_.end()) return {};
  recent_.splice(recent_.begin(), recent_, best);
  return {.pages = best->pages, .positions = longest};
}

void PrefixCache::store(std::span<const std::int32_t> ids,
                        std::span<const std::shared_ptr<const Frame>> frames,
                        const nn::KeyValueSequence& sequence) {
  if (max_entries_ == 0) return;
  // What the new entry begins with needs no entry of its own.
  for (auto entry = recent_.begin(); entry != recent_.end();) {
    const bool contained =
        entry->ids.size() <= ids.size() && common_beginning(*entry, ids, frames) == entry->ids.size();
    if (contained) release(*entry);
    entry = contained ? recent_.erase(entry) : std::next(entry);
  }
  Entry entry;
  entry.ids.assign(ids.begin(), ids.end());
  for (const auto& frame : frames) entry.frames.push_back(frame->key);
  const std::size_t pages = (ids.size() + nn::kPagePositions - 1) / nn::kPagePositions;
  for (const nn::PageId page : sequence.pages().first(pages)) {
    pool_.share(page);
    entry.pages.push_back(page);
  }
  recent_.push_front(std::move(entry));
  while (recent_.size() > max_entries_) drop_oldest();
}

bool PrefixCache::drop_oldest() {
  if (recent_.empty()) return false;
  release(recent_.back());
  recent_.pop_back();
  return true;
}

}  // namespace fovea::engine
