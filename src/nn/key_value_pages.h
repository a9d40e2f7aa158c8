#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/buffer.h"

// Keys and values in pages of a fixed pool (after Kwon et al. 2023, PagedAttention): sequences take pages as
// they grow and give them back, so that memory is bounded by the pool and no sequence is ever moved. A page
// is one chunk of attention: what is summed together never depends on where pages lie.

namespace fovea::nn {

struct AttentionShape {
  std::size_t heads = 0;  ///< query heads
  std::size_t key_value_heads =
      0;  ///< divides heads; head j reads key/value head j / (heads / key_value_heads)
  std::size_t head_dim = 0;
};

inline constexpr std::size_t kPagePositions = kernels::kAttentionChunk;

using PageId = std::uint32_t;

/// What keys and values are kept in.
enum class KeyValueType {
  kF32,   ///< beside float weights, and only there
  kBF16,  ///< beside narrower ones
  kInt8,  ///< instead of bfloat16: half of the memory
};

/// "f32", "bf16", "int8".
[[nodiscard]] const char* key_value_type_name(KeyValueType type);
[[nodiscard]] std::optional<KeyValueType> parse_key_value_type(std::string_view name);

/// Keys and values of one head in one page, in int8: each position's are whole numbers and one scale. They
/// stand packed as those in bfloat16 do, so that widening is no more than reading along. What they are
/// numbers of is the block Hadamard transform (of int8_block()) of a key or value, unscaled: a head has a few
/// channels much larger than the rest, which would leave the others few bits. The scales hold the transform's
/// own, so that scores with a query transformed likewise are those of the plain key, and a weighted sum of
/// values transformed again is that of the plain ones.
struct Int8Head {
  const std::int8_t* keys;    ///< [kPagePositions / 16, head_dim / 2, 16, 2]
  const std::int8_t* values;  ///< [head_dim / 16, kPagePositions / 2, 16, 2]
  const float* key_scales;    ///< [kPagePositions]
  const float* value_scales;  ///< [kPagePositions]
};

/// Keys and values of one layer, in every page.
class LayerPages {
 public:
  LayerPages(const AttentionShape& shape, std::size_t pages, KeyValueType type);

  [[nodiscard]] KeyValueType type() const { return type_; }

  /// Stores k and v, [key_value_heads, head_dim], at one position of a page.
  void store(const kernels::Kernels& kernels, PageId page, std::size_t position, const float* k,
             const float* v);
  /// The contents of `from` become those of `to` too.
  void copy(PageId from, PageId to);

  /// Float: keys of one head, [head_dim, kFloatStride]: positions run along memory, so that scores of
  /// neighbouring positions are one vector. Values of one head, [kPagePositions, head_dim].
  [[nodiscard]] const float* keys(PageId page, std::size_t head) const;
  [[nodiscard]] const float* values(PageId page, std::size_t head) const;

  /// bfloat16: keys and values of one head, packed as kernels::AttentionBf16 reads them, with kValuePairs.
  [[nodiscard]] const tensor::BFloat16* packed_keys(PageId page, std::size_t head) const;
  [[nodiscard]] const tensor::BFloat16* packed_values(PageId page, std::size_t head) const;

  [[nodiscard]] Int8Head int8(PageId page, std::size_t head) const;
  /// Of the Hadamard transform that int8 keys and values passed.
  [[nodiscard]] std::size_t int8_block() const { return int8_block_; }

  // Whole in vectors and no multiple of 4096 bytes: rows at such a distance fall into the same few cache
  // sets.
  static constexpr std::size_t kFloatStride = kPagePositions + 16;
  static constexpr std::size_t kValuePairs = kPagePositions / 2;

  /// Bytes of one page.
  [[nodiscard]] std::size_t page_bytes() const;

 private:
  void store_int8(const kernels::Kernels& kernels, std::size_t head, std::size_t position, const float* k,
                  const float* v);

  std::size_t heads_;
  std::size_t head_dim_;
  KeyValueType type_;
  std::size_t int8_block_;
  std::size_t keys_size_;    // elements of one head in one page
  std::size_t values_size_;  // likewise
  tensor::Buffer<float> floats_;
  tensor::Buffer<tensor::BFloat16> packed_;
  tensor::Buffer<std::int8_t> int8_;
  tensor::Buffer<float> scales_;  // of int8_: [pages, heads, 2, kPagePositions], keys' and then values'
};

/// A fixed number of pages with all their layers, and who has how many of them. Memory that was never written
/// is not taken from the system. Not thread-safe.
class KeyValuePool {
 public:
  KeyValuePool(const AttentionShape& shape, std::size_t layers, std::size_t pages, KeyValueType type);

  [[nodiscard]] std::size_t capacity() const { return references_.size(); }
  [[nodiscard]] std::size_t available() const { return free_.size(); }
  /// Bytes of one page, all layers.
  [[nodiscard]] std::size_t page_bytes() const { return layers_.size() * layers_.front().page_bytes(); }
  [[nodiscard]] LayerPages& layer(std::size_t i) { return layers_[i]; }

  /// A page that nobody has, or none. The one given back last comes first: its memory is there already.
  std::optional<PageId> take();
  /// One more holder of a page.
  void share(PageId page) { ++references_[page]; }
  [[nodiscard]] bool is_shared(PageId page) const { return references_[page] > 1; }
  /// One holder fewer; free after the last.
  void give_back(PageId page);
  void copy(PageId from, PageId to);

 private:
  std::vector<LayerPages> layers_;
  std::vector<std::uint32_t> references_;  // holders of each page
  std::vector<PageId> free_;               // the last is taken next
};

/// The pages of one sequence. Gives them back when it ends. The pool outlives it.
class KeyValueSequence {
 public:
  explicit KeyValueSequence(KeyValuePool& pool) : pool_(&pool) {}
  ~KeyValueSequence() { clear(); }
  KeyValueSequence(KeyValueSequence&& other) noexcept;
  KeyValueSequence& operator=(KeyValueSequence&& other) noexcept;
  KeyValueSequence(const KeyValueSequence&) = delete;
  KeyValueSequence& operator=(const KeyValueSequence&) = delete;

  [[nodiscard]] std::size_t length() const { return length_; }  ///< positions filled
  [[nodiscard]] std::size_t capacity() const { return pages_.size() * kPagePositions; }
  [[nodiscard]] std::span<const PageId> pages() const { return pages_; }

  /// Takes pages until there is room for `positions` in all; false, and none taken, when the pool is short.
  bool reserve(std::size_t positions);
  /// Begins with the first `positions` of another sequence's pages: whole pages are shared, the rest of the
  /// last is copied. Only for a sequence without pages. False when the pool has no page for the copy.
  bool adopt(std::span<const PageId> pages, std::size_t positions);
  /// Positions [length(), length() + tokens) were stored.
  void advance(std::size_t tokens) { length_ += tokens; }
  /// Forgets the positions from `length` on; their pages stay reserved. Only back to positions that are this
  /// sequence's own, not shared ones.
  void truncate(std::size_t length) { length_ = length; }
  void clear();

 private:
  KeyValuePool* pool_;
  std::vector<PageId> pages_;
  std::size_t length_ = 0;
};

/// Rows of a batch that belong to one sequence: `tokens` neighbouring rows, at the positions after those that
/// it has.
struct SequenceRows {
  KeyValueSequence* sequence;
  std::size_t tokens;
};

}  // namespace fovea::nn
