#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fovea::text {

/// Lets maps keyed by std::string be searched with a std::string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using Vocabulary = std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>>;

/// Two neighbouring tokens that become one.
struct MergeRule {
  std::int32_t left;
  std::int32_t right;
  std::int32_t merged;
};

/// What a tokenizer.json says of its model.
struct BpeDescription {
  Vocabulary vocabulary;  ///< token as spelled in the file (byte symbols) to id; no id twice
  std::vector<MergeRule>
      merges;  ///< by rank: earlier rules apply first; a pair that stands twice has its last rank
  std::optional<std::int32_t>
      unknown;                 ///< id for a byte without a vocabulary entry; without it the byte is dropped
  bool fuse_unknown = false;   ///< a run of such bytes is one `unknown`
  bool ignore_merges = false;  ///< a piece that is a vocabulary entry is that entry, whatever the merges say
};

/// Byte-pair encoding of one piece of text. Immutable: any number of threads may encode at once, each with
/// its own Scratch.
class Bpe {
 public:
  explicit Bpe(BpeDescription description);

  /// Working memory, kept from piece to piece so that short pieces allocate nothing.
  class Scratch {
    friend class Bpe;
    struct Symbol {
      std::int32_t id;  // kMerged once it is part of the symbol before it
      std::size_t previous;
      std::size_t next;
    };
    struct Candidate {
      std::uint32_t rank;
      std::size_t left;
    };
    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;
  };

  /// Appends the ids of `piece` (raw bytes, a pre-tokeniser's output). O(n log n) in its length.
  void encode(std::string_view piece, Scratch& scratch, std::vector<std::int32_t>& ids) const;

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t merged;
  };
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const;
  };

  [[nodiscard]] const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  void load_symbols(std::string_view piece, Scratch& scratch) const;
  void push_candidate(Scratch& scratch, std::size_t left) const;
  void merge_all(Scratch& scratch) const;

  Vocabulary vocabulary_;
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
  std::array<std::int32_t, 256> byte_ids_;  // kMissing where the vocabulary lacks the byte
  std::optional<std::int32_t> unknown_;
  bool fuse_unknown_;
  bool ignore_merges_;
};

}  // namespace fovea::text
