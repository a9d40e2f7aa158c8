#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace fovea::grammar {

/// The tokens of a tokenizer as bytes, in a trie. Special tokens and ids without bytes are never part of an
/// answer; the end-of-sequence ids are kept apart. Immutable, so usable by many threads at once.
class TokenVocabulary {
 public:
  using Pointer = std::shared_ptr<const TokenVocabulary>;

  /// `logits` is the model's vocabulary size where that is larger than the tokenizer's (padded heads): masks
  /// have a bit for each, the surplus never set. `eos_ids` outside the mask are left out.
  TokenVocabulary(const text::Tokenizer& tokenizer, std::span<const std::int32_t> eos_ids,
                  std::size_t logits = 0);

  /// Bits of a mask, one for each id.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t mask_words() const { return (size_ + 63) / 64; }
  [[nodiscard]] std::span<const std::int32_t> eos_ids() const { return eos_ids_; }
  [[nodiscard]] bool is_eos(std::int32_t id) const;

  /// The bytes that a token adds to an answer: none for a special token, an end-of-sequence token and an id
  /// that does not exist.
  [[nodiscard]] std::string_view bytes(std::int32_t id) const;
  [[nodiscard]] std::string text(std::span<const std::int32_t> ids) const;

  /// Bytes of the longest token.
  [[nodiscard]] std::size_t longest_token() const { return longest_token_; }

  /// One node of the trie. Nodes are in preorder; a node's first child, where it has one, is the next node,
  /// its next sibling `end`. The root is not stored: the first node is its first child.
  struct Node {
    std::uint32_t end;          ///< one past the node's subtree
    std::uint32_t first_token;  ///< index into sorted_ids()
    std::uint16_t tokens;       ///< how many ids have exactly these bytes
    std::uint16_t depth;        ///< bytes up to here, at least 1
    unsigned char byte;
  };
  [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }
  /// Ids ordered by their bytes.
  [[nodiscard]] std::span<const std::int32_t> sorted_ids() const { return sorted_ids_; }

 private:
  std::size_t size_;
  std::size_t longest_token_ = 0;
  std::vector<std::int32_t> eos_ids_;
  std::vector<std::uint32_t> offsets_;  // [size + 1], into text_
  std::string text_;                    // all tokens' bytes, by id
  std::vector<std::int32_t> sorted_ids_;
  std::vector<Node> nodes_;
};

}  // namespace fovea::grammar
