#include "nn/key_value_pages.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "nn/packed_heads.h"

namespace fovea::nn {

LayerPages::LayerPages(const AttentionShape& shape, std::size_t pages, Precision weights)
    : heads_(shape.key_value_heads), head_dim_(shape.head_dim), float_(weights == Precision::kF32) {
  if (float_) {
    keys_size_ = head_dim_ * kFloatStride;
    values_size_ = kPagePositions * head_dim_;
    floats_ = tensor::Buffer<float>(pages * heads_ * (keys_size_ + values_size_));
  } else {
    keys_size_ = packed_keys_size(kPagePositions, head_dim_);
    values_size_ = packed_values_size(kPagePositions, head_dim_);
    packed_ = tensor::Buffer<tensor::BFloat16>(pages * heads_ * (keys_size_ + values_size_));
  }
}

std::size_t LayerPages::page_bytes() const {
  return heads_ * (keys_size_ + values_size_) * (float_ ? sizeof(float) : sizeof(tensor::BFloat16));
}

const float* LayerPages::keys(PageId page, std::size_t head) const {
  return floats_.data() + (page * heads_ + head) * (keys_size_ + values_size_);
}

const float* LayerPages::values(PageId page, std::size_t head) const {
  return keys(page, head) + keys_size_;
}

const tensor::BFloat16* LayerPages::packed_keys(PageId page, std::size_t head) const {
  return packed_.data() + (page * heads_ + head) * (keys_size_ + values_size_);
}

const tensor::BFloat16* LayerPages::packed_values(PageId page, std::size_t head) const {
  return packed_keys(page, head) + keys_size_;
}

void LayerPages::store(PageId page, std::size_t position, const float* k, const float* v) {
  for (std::size_t head = 0; head < heads_; ++head, k += head_dim_, v += head_dim_) {
    const std::size_t at = (page * heads_ + head) * (keys_size_ + values_size_);
    if (float_) {
      float* keys = floats_.data() + at;
      for (std::size_t d = 0; d < head_dim_; ++d) keys[d * kFloatStride + position] = k[d];
      std::copy_n(v, head_dim_, keys + keys_size_ + position * head_dim_);
    } else {
      tensor::BFloat16* keys = packed_.data() + at;
      pack_key(k, position, head_dim_, keys);
      pack_value(v, position, head_dim_, kValuePairs, keys + keys_size_);
    }
  }
}

void LayerPages::copy(PageId from, PageId to) {
  const std::size_t size = heads_ * (keys_size_ + values_size_);
  if (float_) {
    std::memcpy(floats_.data() + to * size, floats_.data() + from * size, size * sizeof(float));
  } else {
    std::memcpy(packed_.data() + to * size, packed_.data() + from * size, size * sizeof(tensor::BFloat16));
  }
}

KeyValuePool::KeyValuePool(const AttentionShape& shape, std::size_t layers, std::size_t pages,
                           Precision weights)
    : references_(pages, 0) {
  layers_.reserve(layers);
  for (std::size_t i = 0; i < layers; ++i) layers_.emplace_back(shape, pages, weights);
  free_.reserve(pages);
  for (std::size_t page = pages; page-- > 0;) free_.push_back(static_cast<PageId>(page));
}

std::optional<PageId> KeyValuePool::take() {
  if (free_.empty()) return std::nullopt;
  const PageId page = free_.back();
  free_.pop_back();
  references_[page] = 1;
  return page;
}

void KeyValuePool::give_back(PageId page) {
  assert(references_[page] > 0);
  if (--references_[page] == 0) free_.push_back(page);
}

void KeyValuePool::copy(PageId from, PageId to) {
  for (LayerPages& layer : layers_) layer.copy(from, to);
}

KeyValueSequence::KeyValueSequence(KeyValueSequence&& other) noexcept
    : pool_(other.pool_), pages_(std::exchange(other.pages_, {})), length_(std::exchange(other.length_, 0)) {}

KeyValueSequence& KeyValueSequence::operator=(KeyValueSequence&& other) noexcept {
  if (this == &other) return *this;
  clear();
  pool_ = other.pool_;
  pages_ = std::exchange(other.pages_, {});
  length_ = std::exchange(other.length_, 0);
  return *this;
}

bool KeyValueSequence::reserve(std::size_t positions) {
  const std::size_t wanted = (positions + kPagePositions - 1) / kPagePositions;
  if (wanted <= pages_.size()) return true;
  if (wanted - pages_.size() > pool_->available()) return false;
  while (pages_.size() < wanted) pages_.push_back(*pool_->take());
  return true;
}

bool KeyValueSequence::adopt(std::span<const PageId> pages, std::size_t positions) {
  assert(pages_.empty() && positions <= pages.size() * kPagePositions);
  const std::size_t whole = positions / kPagePositions;
  std::optional<PageId> copy;
  if (positions % kPagePositions != 0) {
    copy = pool_->take();
    if (!copy) return false;
    pool_->copy(pages[whole], *copy);
  }
  for (const PageId page : pages.first(whole)) {
    pool_->share(page);
    pages_.push_back(page);
  }
  if (copy) pages_.push_back(*copy);
  length_ = positions;
  return true;
}

void KeyValueSequence::clear() {
  // The first page is given back last, and so is taken first again.
  while (!pages_.empty()) {
    pool_->give_back(pages_.back());
    pages_.pop_back();
  }
  length_ = 0;
}

}  // namespace fovea::nn
