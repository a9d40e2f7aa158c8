#include "nn/key_value_pages.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "nn/packed_heads.h"
#include "quantize/packed_matrix.h"

namespace fovea::nn {
namespace {

constexpr std::size_t kHeadScales = 2 * kPagePositions;  // of one head in one page

}  // namespace

const char* key_value_type_name(KeyValueType type) {
  switch (type) {
    case KeyValueType::kF32:
      return "f32";
    case KeyValueType::kBF16:
      return "bf16";
    case KeyValueType::kInt8:
      return "int8";
  }
  return "";
}

std::optional<KeyValueType> parse_key_value_type(std::string_view name) {
  for (const KeyValueType type : {KeyValueType::kF32, KeyValueType::kBF16, KeyValueType::kInt8}) {
    if (name == key_value_type_name(type)) return type;
  }
  return std::nullopt;
}

LayerPages::LayerPages(const AttentionShape& shape, std::size_t pages, KeyValueType type)
    : heads_(shape.key_value_heads),
      head_dim_(shape.head_dim),
      type_(type),
      int8_block_(quantize::hadamard_block(head_dim_)) {
  if (type_ == KeyValueType::kF32) {
    keys_size_ = head_dim_ * kFloatStride;
    values_size_ = kPagePositions * head_dim_;
    floats_ = tensor::Buffer<float>(pages * heads_ * (keys_size_ + values_size_));
    return;
  }
  keys_size_ = packed_keys_size(kPagePositions, head_dim_);
  values_size_ = packed_values_size(kPagePositions, head_dim_);
  const std::size_t size = pages * heads_ * (keys_size_ + values_size_);
  if (type_ == KeyValueType::kBF16) {
    packed_ = tensor::Buffer<tensor::BFloat16>(size);
  } else {
    int8_ = tensor::Buffer<std::int8_t>(size);
    scales_ = tensor::Buffer<float>(pages * heads_ * kHeadScales);
  }
}

std::size_t LayerPages::page_bytes() const {
  const std::size_t size = heads_ * (keys_size_ + values_size_);
  switch (type_) {
    case KeyValueType::kF32:
      return size * sizeof(float);
    case KeyValueType::kBF16:
      return size * sizeof(tensor::BFloat16);
    case KeyValueType::kInt8:
      return size * sizeof(std::int8_t) + heads_ * kHeadScales * sizeof(float);
  }
  return 0;
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

Int8Head LayerPages::int8(PageId page, std::size_t head) const {
  const std::size_t at = page * heads_ + head;
  const std::int8_t* keys = int8_.data() + at * (keys_size_ + values_size_);
  const float* scales = scales_.data() + at * kHeadScales;
  return {.keys = keys,
          .values = keys + keys_size_,
          .key_scales = scales,
          .value_scales = scales + kPagePositions};
}

void LayerPages::store(const kernels::Kernels& kernels, PageId page, std::size_t position, const float* k,
                       const float* v) {
  for (std::size_t head = 0; head < heads_; ++head, k += head_dim_, v += head_dim_) {
    const std::size_t at = (page * heads_ + head) * (keys_size_ + values_size_);
    switch (type_) {
      case KeyValueType::kF32: {
        float* keys = floats_.data() + at;
        for (std::size_t d = 0; d < head_dim_; ++d) keys[d * kFloatStride + position] = k[d];
        std::copy_n(v, head_dim_, keys + keys_size_ + position * head_dim_);
        break;
      }
      case KeyValueType::kBF16: {
        tensor::BFloat16* keys = packed_.data() + at;
        pack_key(k, position, head_dim_, keys);
        pack_value(v, position, head_dim_, kValuePairs, keys + keys_size_);
        break;
      }
      case KeyValueType::kInt8:
        store_int8(kernels, page * heads_ + head, position, k, v);
        break;
    }
  }
}

// Nothing is cleared here, unlike in bfloat16: what stands at positions that were not stored is a number,
// whatever its bits, and meets weights of zero.
void LayerPages::store_int8(const kernels::Kernels& kernels, std::size_t head, std::size_t position,
                            const float* k, const float* v) {
  constexpr std::size_t kMostLanes = 16;
  const std::size_t padded = (head_dim_ + kMostLanes - 1) / kMostLanes * kMostLanes;
  thread_local tensor::Buffer<float> transformed;
  thread_local tensor::Buffer<std::int8_t> numbers;
  transformed.reserve(head_dim_);
  numbers.reserve(padded);
  const auto quantize = [&](const float* x) {
    std::copy_n(x, head_dim_, transformed.data());
    kernels.hadamard(transformed.data(), head_dim_, int8_block_);
    const float scale = kernels.quantize_row_signed(transformed.data(), head_dim_, padded, numbers.data());
    return scale / static_cast<float>(int8_block_);
  };
  std::int8_t* keys = int8_.data() + head * (keys_size_ + values_size_);
  std::int8_t* values = keys + keys_size_;
  float* scales = scales_.data() + head * kHeadScales;
  scales[position] = quantize(k);
  for (std::size_t d = 0; d < head_dim_; ++d) keys[packed_key_place(position, d, head_dim_)] = numbers[d];
  scales[kPagePositions + position] = quantize(v);
  for (std::size_t d = 0; d < head_dim_; ++d)
    values[packed_value_place(position, d, kValuePairs)] = numbers[d];
}

void LayerPages::copy(PageId from, PageId to) {
  const auto copy_page = [&](auto& buffer, std::size_t size) {
    std::copy_n(buffer.data() + from * size, size, buffer.data() + to * size);
  };
  const std::size_t size = heads_ * (keys_size_ + values_size_);
  switch (type_) {
    case KeyValueType::kF32:
      return copy_page(floats_, size);
    case KeyValueType::kBF16:
      return copy_page(packed_, size);
    case KeyValueType::kInt8:
      copy_page(int8_, size);
      return copy_page(scales_, heads_ * kHeadScales);
  }
}

KeyValuePool::KeyValuePool(const AttentionShape& shape, std::size_t layers, std::size_t pages,
                           KeyValueType type)
    : references_(pages, 0) {
  layers_.reserve(layers);
  for (std::size_t i = 0; i < layers; ++i) layers_.emplace_back(shape, pages, type);
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
