#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/code_points.h"
#include "grammar/frame.h"

namespace fovea::grammar {

using NodeId = std::uint32_t;

/// A set of byte values.
class ByteSet {
 public:
  void add(unsigned char byte) { words_[byte / 64] |= std::uint64_t{1} << (byte % 64); }
  void add_range(unsigned char first, unsigned char last) {
    for (unsigned byte = first; byte <= last; ++byte) add(static_cast<unsigned char>(byte));
  }
  [[nodiscard]] bool contains(unsigned char byte) const {
    return ((words_[byte / 64] >> (byte % 64)) & 1U) != 0;
  }
  [[nodiscard]] bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }
  [[nodiscard]] int count() const {
    int bits = 0;
    for (const std::uint64_t word : words_) bits += std::popcount(word);
    return bits;
  }
  /// The smallest member of a set that is not empty.
  [[nodiscard]] unsigned char first() const {
    std::size_t word = 0;
    while (words_[word] == 0) ++word;
    return static_cast<unsigned char>(word * 64 + static_cast<std::size_t>(std::countr_zero(words_[word])));
  }
  void remove(unsigned char byte) { words_[byte / 64] &= ~(std::uint64_t{1} << (byte % 64)); }
  ByteSet& operator|=(const ByteSet& other) {
    for (std::size_t i = 0; i < 4; ++i) words_[i] |= other.words_[i];
    return *this;
  }
  [[nodiscard]] ByteSet and_with(const ByteSet& other) const {
    ByteSet result;
    for (std::size_t i = 0; i < 4; ++i) result.words_[i] = words_[i] & other.words_[i];
    return result;
  }
  [[nodiscard]] ByteSet without(const ByteSet& other) const {
    ByteSet result;
    for (std::size_t i = 0; i < 4; ++i) result.words_[i] = words_[i] & ~other.words_[i];
    return result;
  }
  auto operator<=>(const ByteSet&) const = default;

 private:
  std::array<std::uint64_t, 4> words_ = {};
};

/// What a node matches, what `first`, `count` and `extra` say of it, and its frames' counters.
enum class NodeKind : std::uint8_t {
  kReturn,     ///< nothing; stands under the target of a reference and so counts how deep one is in them
  kEmpty,      ///< nothing
  kBytes,      ///< one byte of byte_sets[first]
  kLiteral,    ///< text[first, first + count); a: bytes matched
  kSequence,   ///< children[first, first + count) one after the other; a: children entered
  kChoice,     ///< one of children[first, first + count)
  kRepeat,     ///< the node `first`, `count` to `extra` times; a: still needed, b: still allowed
  kObject,     ///< members[first, first + count) and `}`; a: next member, b: 1 after a member
  kPattern,    ///< patterns[first]; at most `count` characters; a: state, b: characters still allowed
  kReference,  ///< the node `first`
};

struct Node {
  NodeKind kind;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t extra = 0;
  std::uint32_t height = kInfinite;    ///< references that the flattest text goes through, one in the other
  std::uint32_t shortest = kInfinite;  ///< bytes of the shortest text, saturated
};

/// A property of an object with the two ways its name is written.
struct Member {
  NodeId first_key;  ///< `"name":`
  NodeId later_key;  ///< `,"name":`
  NodeId value;
  bool required;
};

/// A deterministic automaton over characters. Every state has a way to an accepting one.
struct PatternAutomaton {
  struct State {
    std::uint32_t first_edge;
    std::uint32_t edges;
    std::uint32_t distance;  ///< characters to the nearest accepting state, 0 for such a one
  };
  struct Edge {
    NodeId characters;  ///< the characters as JSON spells them
    std::uint32_t target;
  };
  std::vector<State> states;  ///< the first one is where it starts
  std::vector<Edge> edges;
  std::uint32_t max_distance = 0;
};

inline constexpr NodeId kReturnNode = 0;
inline constexpr NodeId kEmptyNode = 1;
inline constexpr NodeId kCloseBraceNode = 2;

/// A grammar's graph. Immutable once built.
struct GrammarNodes {
  std::vector<Node> nodes;
  std::vector<NodeId> children;
  std::vector<ByteSet> byte_sets;  ///< the first 256 are the single bytes
  std::string text;
  std::vector<Member> members;
  std::vector<PatternAutomaton> patterns;
  NodeId root = kEmptyNode;
  std::uint32_t max_recursion = 0;

  /// The frame with which a node begins.
  [[nodiscard]] Frame begin(NodeId id) const;
};

/// Builds a GrammarNodes. Nodes beyond the limit are not added; finish() reports it.
class NodeBuilder {
 public:
  explicit NodeBuilder(std::size_t max_nodes);

  NodeId bytes(const ByteSet& set);
  NodeId byte_range(unsigned char first, unsigned char last);
  NodeId literal(std::string_view text);
  NodeId sequence(std::span<const NodeId> children);
  NodeId sequence(std::initializer_list<NodeId> children) { return sequence(std::span(children)); }
  /// At least one child.
  NodeId choice(std::span<const NodeId> children);
  NodeId choice(std::initializer_list<NodeId> children) { return choice(std::span(children)); }
  NodeId optional(NodeId child) { return choice({kEmptyNode, child}); }
  /// `child` matches at least one byte; min <= max.
  NodeId repeat(NodeId child, std::size_t min, std::size_t max);
  /// What follows the opening brace: members in order and the closing brace.
  NodeId members(std::span<const Member> members);
  NodeId pattern(PatternAutomaton automaton, std::size_t max_length);
  /// A reference whose target is told later.
  NodeId reference();
  void set_target(NodeId reference, NodeId target) { nodes_.nodes[reference].first = target; }

  /// Exactly one of the texts, which may be prefixes of one another: a trie of literals.
  NodeId one_of(std::vector<std::string> texts);
  /// One character of the set as a JSON string spells it.
  NodeId json_character(const CodePointSet& set);

  [[nodiscard]] bool full() const { return nodes_.nodes.size() >= max_nodes_; }

  /// The graph with heights and shortest texts. Errors (kInvalidArgument): too many nodes, recursion that
  /// cannot end within `max_recursion`, a shortest text above `max_shortest` bytes.
  Result<GrammarNodes> finish(NodeId root, std::size_t max_recursion, std::size_t max_shortest);

 private:
  NodeId add(const Node& node);
  NodeId add_list(NodeKind kind, std::span<const NodeId> children);
  NodeId trie(std::span<const std::string> texts, std::size_t from);
  NodeId escapes(const CodePointSet& set);
  bool relax(NodeId id);

  std::size_t max_nodes_;
  GrammarNodes nodes_;
  std::map<CodePointSet, NodeId> characters_;
  std::map<ByteSet, NodeId> byte_nodes_;
};

}  // namespace fovea::grammar
