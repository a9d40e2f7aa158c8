#include "grammar/nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fovea::grammar {
namespace {

constexpr std::uint32_t kMostBytes = std::uint32_t{1} << 30;

std::uint32_t narrow(std::size_t value) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(value, kMostBytes));
}

/// Sums and products of lengths; above kMostBytes all are alike, and kInfinite stays.
std::uint32_t add_lengths(std::uint32_t a, std::uint32_t b) {
  if (a == kInfinite || b == kInfinite) return kInfinite;
  return std::min(a + b, kMostBytes);
}
std::uint32_t multiply_length(std::uint32_t length, std::uint32_t times) {
  if (times == 0) return 0;
  if (length == kInfinite) return kInfinite;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{length} * times, kMostBytes));
}

}  // namespace

Frame GrammarNodes::begin(NodeId id) const {
  const Node& node = nodes[id];
  switch (node.kind) {
    case NodeKind::kRepeat:
      return {id, node.count, node.extra};
    case NodeKind::kPattern:
      return {id, 0, node.count};
    default:
      return {id, 0, 0};
  }
}

NodeBuilder::NodeBuilder(std::size_t max_nodes) : max_nodes_(max_nodes) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    nodes_.byte_sets.emplace_back();
    nodes_.byte_sets.back().add(static_cast<unsigned char>(byte));
  }
  add({.kind = NodeKind::kReturn});
  add({.kind = NodeKind::kEmpty});
  literal("}");
}

NodeId NodeBuilder::add(const Node& node) {
  // A graph that is full is refused in the end, whatever it says by then.
  if (nodes_.nodes.size() > max_nodes_) return kEmptyNode;
  nodes_.nodes.push_back(node);
  return static_cast<NodeId>(nodes_.nodes.size() - 1);
}

NodeId NodeBuilder::bytes(const ByteSet& set) {
  const auto [known, is_new] = byte_nodes_.try_emplace(set, 0);
  if (is_new) {
    known->second = add({.kind = NodeKind::kBytes, .first = narrow(nodes_.byte_sets.size())});
    nodes_.byte_sets.push_back(set);
  }
  return known->second;
}

NodeId NodeBuilder::byte_range(unsigned char first, unsigned char last) {
  ByteSet set;
  set.add_range(first, last);
  return bytes(set);
}

NodeId NodeBuilder::literal(std::string_view text) {
  if (text.empty()) return kEmptyNode;
  const NodeId id =
      add({.kind = NodeKind::kLiteral, .first = narrow(nodes_.text.size()), .count = narrow(text.size())});
  nodes_.text += text;
  return id;
}

NodeId NodeBuilder::add_list(NodeKind kind, std::span<const NodeId> children) {
  if (full()) return kEmptyNode;
  const NodeId id =
      add({.kind = kind, .first = narrow(nodes_.children.size()), .count = narrow(children.size())});
  nodes_.children.insert(nodes_.children.end(), children.begin(), children.end());
  return id;
}

NodeId NodeBuilder::sequence(std::span<const NodeId> children) {
  std::vector<NodeId> parts;
  std::ranges::copy_if(children, std::back_inserter(parts), [](NodeId id) { return id != kEmptyNode; });
  if (parts.empty()) return kEmptyNode;
  return parts.size() == 1 ? parts[0] : add_list(NodeKind::kSequence, parts);
}

NodeId NodeBuilder::choice(std::span<const NodeId> children) {
  return children.size() == 1 ? children[0] : add_list(NodeKind::kChoice, children);
}

NodeId NodeBuilder::repeat(NodeId child, std::size_t min, std::size_t max) {
  if (max == 0) return kEmptyNode;
  if (min == 1 && max == 1) return child;
  return add({.kind = NodeKind::kRepeat, .first = child, .count = narrow(min), .extra = narrow(max)});
}

NodeId NodeBuilder::members(std::span<const Member> members) {
  if (full()) return kEmptyNode;
  const NodeId id = add(
      {.kind = NodeKind::kObject, .first = narrow(nodes_.members.size()), .count = narrow(members.size())});
  nodes_.members.insert(nodes_.members.end(), members.begin(), members.end());
  return id;
}

NodeId NodeBuilder::pattern(PatternAutomaton automaton, std::size_t max_length) {
  const NodeId id =
      add({.kind = NodeKind::kPattern, .first = narrow(nodes_.patterns.size()), .count = narrow(max_length)});
  nodes_.patterns.push_back(std::move(automaton));
  return id;
}

NodeId NodeBuilder::reference() {
  return add({.kind = NodeKind::kReference, .first = kEmptyNode});
}

NodeId NodeBuilder::one_of(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  const auto repeated = std::ranges::unique(texts);
  texts.erase(repeated.begin(), repeated.end());
  return trie(texts, 0);
}

/// The trie of sorted texts that differ and share their first `from` bytes.
NodeId NodeBuilder::trie(std::span<const std::string> texts, std::size_t from) {
  std::vector<NodeId> branches;
  if (texts.front().size() == from) {
    branches.push_back(kEmptyNode);
    texts = texts.subspan(1);
  }
  while (!texts.empty()) {
    const std::string& first = texts.front();
    std::size_t group = 1;
    while (group < texts.size() && texts[group][from] == first[from]) ++group;
    // Of sorted texts the first and the last share what all share.
    const std::string& last = texts[group - 1];
    const auto differ = std::ranges::mismatch(first, last);
    const auto shared = static_cast<std::size_t>(differ.in1 - first.begin());
    const NodeId stem = literal(std::string_view(first).substr(from, shared - from));
    branches.push_back(group == 1 ? stem : sequence({stem, trie(texts.first(group), shared)}));
    texts = texts.subspan(group);
  }
  return choice(branches);
}

NodeId NodeBuilder::escapes(const CodePointSet& set) {
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  std::vector<NodeId> branches;
  ByteSet letters;
  for (std::size_t i = 0; i < kEscaped.size(); ++i) {
    if (set.contains(static_cast<char32_t>(kEscaped[i])))
      letters.add(static_cast<unsigned char>(kLetters[i]));
  }
  if (!letters.empty()) branches.push_back(bytes(letters));
  for (unsigned high = 0; high < 2; ++high) {
    ByteSet digits;
    for (unsigned low = 0; low < 16; ++low) {
      const unsigned value = high * 16 + low;
      if (set.contains(value) && kEscaped.find(static_cast<char>(value)) == std::string_view::npos) {
        digits.add(static_cast<unsigned char>("0123456789abcdef"[low]));
      }
    }
    if (!digits.empty()) branches.push_back(sequence({literal(high == 0 ? "u000" : "u001"), bytes(digits)}));
  }
  return branches.empty() ? kEmptyNode : sequence({literal("\\"), choice(branches)});
}

NodeId NodeBuilder::json_character(const CodePointSet& set) {
  if (const auto known = characters_.find(set); known != characters_.end()) return known->second;
  std::vector<NodeId> branches;
  ByteSet plain;
  for (unsigned value = 0x20; value < 0x80; ++value) {
    if (value != '"' && value != '\\' && set.contains(value)) plain.add(static_cast<unsigned char>(value));
  }
  if (!plain.empty()) branches.push_back(bytes(plain));
  if (const NodeId escaped = escapes(set); escaped != kEmptyNode) branches.push_back(escaped);
  for (const ByteRanges& run : utf8_ranges(set)) {
    if (run.size() == 1) continue;
    std::vector<NodeId> parts;
    for (const auto& [first, last] : run) parts.push_back(byte_range(first, last));
    branches.push_back(sequence(parts));
  }
  const NodeId id = choice(branches);
  characters_.emplace(set, id);
  return id;
}

/// Recomputes a node's height and shortest text from those it is made of; whether either became smaller.
bool NodeBuilder::relax(NodeId id) {
  Node& node = nodes_.nodes[id];
  const auto at = [this](NodeId other) -> const Node& { return nodes_.nodes[other]; };
  std::uint32_t height = 0;
  std::uint32_t shortest = 0;
  switch (node.kind) {
    case NodeKind::kReturn:
    case NodeKind::kEmpty:
      break;
    case NodeKind::kBytes:
      shortest = 1;
      break;
    case NodeKind::kLiteral:
      shortest = node.count;
      break;
    case NodeKind::kSequence:
      for (std::uint32_t i = 0; i < node.count; ++i) {
        const Node& child = at(nodes_.children[node.first + i]);
        height = std::max(height, child.height);
        shortest = add_lengths(shortest, child.shortest);
      }
      break;
    case NodeKind::kChoice:
      height = shortest = kInfinite;
      for (std::uint32_t i = 0; i < node.count; ++i) {
        const Node& child = at(nodes_.children[node.first + i]);
        height = std::min(height, child.height);
        shortest = std::min(shortest, child.shortest);
      }
      break;
    case NodeKind::kRepeat:
      height = node.count == 0 ? 0 : at(node.first).height;
      shortest = multiply_length(at(node.first).shortest, node.count);
      break;
    case NodeKind::kObject: {
      shortest = 1;
      bool later = false;
      for (std::uint32_t i = 0; i < node.count; ++i) {
        const Member& member = nodes_.members[node.first + i];
        if (!member.required) continue;
        height = std::max(height, at(member.value).height);
        const std::uint32_t key = at(later ? member.later_key : member.first_key).shortest;
        shortest = add_lengths(shortest, add_lengths(key, at(member.value).shortest));
        later = true;
      }
      break;
    }
    case NodeKind::kPattern:
      shortest = nodes_.patterns[node.first].states[0].distance;
      break;
    case NodeKind::kReference:
      height = at(node.first).height == kInfinite ? kInfinite : at(node.first).height + 1;
      shortest = at(node.first).shortest;
      break;
  }
  const bool smaller = height < node.height || shortest < node.shortest;
  node.height = std::min(node.height, height);
  node.shortest = std::min(node.shortest, shortest);
  return smaller;
}

Result<GrammarNodes> NodeBuilder::finish(NodeId root, std::size_t max_recursion, std::size_t max_shortest) {
  if (full()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the schema needs an automaton of more than {} nodes", max_nodes_));
  }
  // Children stand before their parents but for the targets of references: few rounds.
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (NodeId id = 0; id < nodes_.nodes.size(); ++id) smaller = relax(id) || smaller;
  }
  const Node& top = nodes_.nodes[root];
  if (top.height == kInfinite) {
    return fail(ErrorCode::kInvalidArgument, "the schema refers to itself ($ref) without a way to end");
  }
  if (top.height > max_recursion) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the schema's shallowest answer follows {} recursive $ref, over the limit of {}",
                            top.height, max_recursion));
  }
  if (top.shortest > max_shortest) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the shortest answer to the schema is longer than the limit of {} bytes", max_shortest));
  }
  nodes_.root = root;
  nodes_.max_recursion = narrow(max_recursion);
  return std::move(nodes_);
}

}  // namespace fovea::grammar
