#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "engine/prompt.h"
#include "nn/key_value_pages.h"

namespace fovea::engine {

/// Keys and values of what was read before, for sequences that begin in the same way: the same question on
/// another turn, or another question on the same picture. Tokens and frames are compared one by one: what is
/// found is what would be computed. One model's, one thread's; gives pages back when the pool needs them.
class PrefixCache {
 public:
  PrefixCache(nn::KeyValuePool& pool, std::size_t max_entries, std::int32_t image_token_id,
              std::size_t tokens_per_frame)
      : pool_(pool),
        max_entries_(max_entries),
        image_token_id_(image_token_id),
        tokens_per_frame_(tokens_per_frame) {}
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  struct Found {
    std::span<const nn::PageId> pages;
    std::size_t positions = 0;
  };
  /// The longest beginning of `ids` that is there; valid until the cache changes.
  Found find(std::span<const std::int32_t> ids, std::span<const std::shared_ptr<const Frame>> frames);

  /// Keeps the pages of a sequence whose first ids.size() positions are these.
  void store(std::span<const std::int32_t> ids, std::span<const std::shared_ptr<const Frame>> frames,
             const nn::KeyValueSequence& sequence);

  /// Lets the entry go that was not used for longest; false when there is none.
  bool drop_oldest();

  [[nodiscard]] std::size_t entries() const { return recent_.size(); }

 private:
  struct Entry {
    std::vector<std::int32_t> ids;
    std::vector<FrameKey> frames;
    std::vector<nn::PageId> pages;
  };
  std::size_t common_beginning(const Entry& entry, std::span<const std::int32_t> ids,
                               std::span<const std::shared_ptr<const Frame>> frames) const;
  void release(const Entry& entry);

  nn::KeyValuePool& pool_;
  std::size_t max_entries_;
  std::int32_t image_token_id_;
  std::size_t tokens_per_frame_;
  std::list<Entry> recent_;  // the last used first
};

}  // namespace fovea::engine
