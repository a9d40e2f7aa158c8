#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/frame.h"
#include "grammar/grammar.h"
#include "grammar/vocabulary.h"

namespace fovea::grammar {

/// A grammar for one vocabulary, with the masks computed so far. Thread-safe.
class TokenGrammar {
 public:
  using Pointer = std::shared_ptr<const TokenGrammar>;

  /// `max_mask_bytes` bounds the cached masks; the least recently used go first.
  TokenGrammar(Grammar::Pointer grammar, TokenVocabulary::Pointer vocabulary,
               std::size_t max_mask_bytes = std::size_t{8} << 20);

  [[nodiscard]] const Grammar& grammar() const { return *grammar_; }
  [[nodiscard]] const TokenVocabulary& vocabulary() const { return *vocabulary_; }

  /// How often a mask was found, and how often computed.
  struct Statistics {
    std::size_t hits = 0;
    std::size_t misses = 0;
    std::size_t masks = 0;  ///< cached now
  };
  [[nodiscard]] Statistics statistics() const;

 private:
  friend class Matcher;
  using Key = std::vector<Frame>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Mask {
    Key key;
    std::vector<std::uint64_t> words;
    std::size_t set_bits;
  };

  /// Fills `mask` for a state; returns the number of bits set.
  std::size_t fill_mask(FrameSpan state, std::span<std::uint64_t> mask) const;
  [[nodiscard]] Mask compute(const Key& key) const;

  Grammar::Pointer grammar_;
  TokenVocabulary::Pointer vocabulary_;
  std::size_t max_masks_;
  mutable std::mutex mutex_;  // guards all below
  mutable std::list<Mask> recent_;
  mutable std::unordered_map<Key, std::list<Mask>::iterator, KeyHash> masks_;
  mutable Statistics statistics_;
};

}  // namespace fovea::grammar
