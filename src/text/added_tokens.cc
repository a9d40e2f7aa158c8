#include "text/added_tokens.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "text/unicode.h"

namespace fovea::text {
namespace {

constexpr std::size_t kNoToken = std::numeric_limits<std::size_t>::max();

std::uint64_t edge_key(std::uint32_t state, unsigned char byte) {
  return (std::uint64_t{state} << 8) | byte;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word(last_code_point(text));
}
bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word(first_code_point(text).value);
}

/// Where the whitespace that ends text[floor, end) begins.
std::size_t whitespace_begin(std::string_view text, std::size_t floor, std::size_t end) {
  while (end > floor) {
    const char32_t last = last_code_point(text.substr(0, end));
    if (classify(last) != CharClass::kSpace) break;
    std::string bytes;
    append_utf8(last, bytes);
    end -= bytes.size();
  }
  return std::max(floor, end);
}

/// Ends of whitespace runs. Remembers the last one: a token that is itself whitespace may ask from every
/// place of one long run.
class WhitespaceRuns {
 public:
  explicit WhitespaceRuns(std::string_view text) : text_(text) {}
  std::size_t end(std::size_t at) {
    if (at >= begin_ && at < end_) return end_;
    begin_ = at;
    for (end_ = at; end_ < text_.size();) {
      const CodePoint point = first_code_point(text_.substr(end_));
      if (classify(point.value) != CharClass::kSpace) break;
      end_ += point.length;
    }
    return end_;
  }

 private:
  std::string_view text_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  nodes_.push_back({0, kNoToken});
  for (std::size_t i = 0; i < tokens_.size(); ++i) add_pattern(i);
  link_suffixes();
}

void AddedTokenSplitter::add_pattern(std::size_t token) {
  const std::string& content = tokens_[token].content;
  State state = 0;
  for (auto byte = content.rbegin(); byte != content.rend(); ++byte) {
    const auto [edge, is_new] = edges_.try_emplace(edge_key(state, static_cast<unsigned char>(*byte)),
                                                   static_cast<State>(nodes_.size()));
    if (is_new) nodes_.push_back({0, kNoToken});
    state = edge->second;
  }
  if (nodes_[state].longest == kNoToken) nodes_[state].longest = token;
}

void AddedTokenSplitter::link_suffixes() {
  struct Edge {
    State from;
    unsigned char byte;
    State to;
  };
  // A node is numbered after its parent, but not after all shorter nodes; suffixes need breadth first.
  std::vector<std::vector<Edge>> children(nodes_.size());
  for (const auto& [key, to] : edges_) {
    const auto from = static_cast<State>(key >> 8);
    children[from].push_back({from, static_cast<unsigned char>(key & 0xFF), to});
  }
  std::vector<Edge> queue = children[0];
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Edge edge = queue[i];
    Node& node = nodes_[edge.to];
    node.suffix = edge.from == 0 ? 0 : next(nodes_[edge.from].suffix, edge.byte);
    if (node.longest == kNoToken) node.longest = nodes_[node.suffix].longest;
    queue.insert(queue.end(), children[edge.to].begin(), children[edge.to].end());
  }
}

AddedTokenSplitter::State AddedTokenSplitter::next(State state, unsigned char byte) const {
  while (true) {
    if (const auto edge = edges_.find(edge_key(state, byte)); edge != edges_.end()) return edge->second;
    if (state == 0) return 0;
    state = nodes_[state].suffix;
  }
}

std::vector<std::size_t> AddedTokenSplitter::longest_starting_at_each_byte(std::string_view text) const {
  std::vector<std::size_t> longest(text.size());
  State state = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    state = next(state, static_cast<unsigned char>(text[i]));
    longest[i] = nodes_[state].longest;
  }
  return longest;
}

std::vector<AddedTokenSplitter::Part> AddedTokenSplitter::split(std::string_view text) const {
  std::vector<Part> parts;
  std::size_t done = 0;
  if (!tokens_.empty()) {
    const std::vector<std::size_t> longest = longest_starting_at_each_byte(text);
    WhitespaceRuns whitespace(text);
    for (std::size_t at = 0; at < text.size();) {
      if (longest[at] == kNoToken) {
        ++at;
        continue;
      }
      const AddedToken& token = tokens_[longest[at]];
      std::size_t begin = at;
      std::size_t end = at + token.content.size();
      at = end;  // a match that is refused below still hides those that overlap it, as in the reference
      if (token.single_word &&
          (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) {
        continue;
      }
      if (token.lstrip) begin = whitespace_begin(text, done, begin);
      if (token.rstrip) end = whitespace.end(end);
      if (done < begin) parts.push_back({text.substr(done, begin - done), std::nullopt});
      parts.push_back({{}, token.id});
      done = end;
    }
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
  return parts;
}

}  // namespace fovea::text
