#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fovea::text {

/// One entry of a tokenizer.json's `added_tokens`.
struct AddedToken {
  std::int32_t id;
  std::string content;
  bool special;      ///< left out when decoding without special tokens
  bool normalized;   ///< searched in the normalised text, otherwise in the raw text
  bool single_word;  ///< only where no word character stands beside it
  bool lstrip;       ///< takes the whitespace before it along
  bool rstrip;       ///< takes the whitespace after it along
};

/// Finds added tokens in a text: leftmost first, the longest of those that start at one place, none
/// overlapping. Time is linear in the text whatever the tokens are. Immutable, so usable by many threads at
/// once.
class AddedTokenSplitter {
 public:
  /// `tokens` have contents that are not empty. Of two with the same content the first counts.
  explicit AddedTokenSplitter(std::vector<AddedToken> tokens);

  struct Part {
    std::string_view text;           ///< a stretch without added tokens, when there is no id
    std::optional<std::int32_t> id;  ///< an added token
  };
  /// The parts of well-formed UTF-8, in order; text parts are not empty.
  [[nodiscard]] std::vector<Part> split(std::string_view text) const;

  [[nodiscard]] bool empty() const { return tokens_.empty(); }

 private:
  using State = std::uint32_t;
  struct Node {
    State suffix;         // where the automaton goes on when the next byte does not fit
    std::size_t longest;  // the longest token that the bytes read so far end with, or kNoToken
  };

  [[nodiscard]] State next(State state, unsigned char byte) const;
  [[nodiscard]] std::vector<std::size_t> longest_starting_at_each_byte(std::string_view text) const;
  void add_pattern(std::size_t token);
  void link_suffixes();

  std::vector<AddedToken> tokens_;
  // Aho and Corasick's automaton over the reversed contents: fed the text from its end, it has, at every
  // byte, just read the tokens that start there. A forward automaton would have to go back after each match
  // to find the leftmost longest, which is quadratic for some token sets.
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, State> edges_;  // by state and byte
};

}  // namespace fovea::text
