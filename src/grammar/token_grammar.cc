#include "grammar/token_grammar.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "grammar/nodes.h"
#include "grammar/stepper.h"

namespace fovea::grammar {
namespace {

constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
constexpr std::uint32_t kDead = 0xFFFFFFFE;

/// The states that a walk over the trie comes through, made deterministic: a table from state and byte to
/// state, filled where the walk looks.
class Determinized {
 public:
  Determinized(const GrammarNodes& nodes, FrameSpan start) {
    stepper_.reset(nodes);
    Stepper::State state;
    stepper_.load(start, state);
    find(std::move(state));
    stepper_.expand(*states_[0]);
    start_can_end_ = stepper_.can_end();
  }

  [[nodiscard]] bool start_can_end() const { return start_can_end_; }

  std::uint32_t next(std::uint32_t state, unsigned char byte) {
    if (rows_[state][byte] == kUnknown) fill_row(state);
    return rows_[state][byte];
  }

 private:
  using Row = std::array<std::uint32_t, 256>;

  std::uint32_t find(Stepper::State state) {
    const auto [known, is_new] =
        ids_.try_emplace(std::move(state), static_cast<std::uint32_t>(states_.size()));
    if (is_new) {
      states_.push_back(&known->first);
      rows_.emplace_back().fill(kUnknown);
    }
    return known->second;
  }

  /// Cuts the bytes into classes that no leaf tells apart, and follows one byte of each.
  void fill_row(std::uint32_t state) {
    stepper_.expand(*states_[state]);
    ByteSet all;
    for (const Stepper::Leaf& leaf : stepper_.leaves()) all |= stepper_.byte_set(leaf);
    classes_.assign(1, all);
    for (const Stepper::Leaf& leaf : stepper_.leaves()) {
      const ByteSet& set = stepper_.byte_set(leaf);
      const std::size_t before = classes_.size();
      for (std::size_t i = 0; i < before; ++i) {
        const ByteSet outside = classes_[i].without(set);
        const ByteSet inside = classes_[i].and_with(set);
        if (outside.empty() || inside.empty()) continue;
        classes_[i] = inside;
        classes_.push_back(outside);
      }
    }
    rows_[state].fill(kDead);
    for (ByteSet& bytes : classes_) {
      if (bytes.empty()) continue;
      stepper_.follow(bytes.first(), next_);
      const std::uint32_t target = find(next_);
      for (; !bytes.empty(); bytes.remove(bytes.first())) rows_[state][bytes.first()] = target;
    }
  }

  Stepper stepper_;
  bool start_can_end_ = false;
  std::map<Stepper::State, std::uint32_t> ids_;
  std::vector<const Stepper::State*> states_;  // into ids_
  std::vector<Row> rows_;
  std::vector<ByteSet> classes_;
  Stepper::State next_;
};

/// Makes every counter that no token of `longest` bytes can exhaust infinite: the tokens that may come are
/// the same, and so most places in a long string share one mask.
void forget_far_counts(const GrammarNodes& nodes, std::size_t longest, std::vector<Frame>& frames) {
  const auto forget = [](std::uint32_t& count, std::size_t limit) {
    if (count > limit) count = kInfinite;
  };
  for (Frame& frame : frames) {
    if (frame.node == kEndOfStack) continue;
    const Node& node = nodes.nodes[frame.node];
    if (node.kind == NodeKind::kRepeat) {
      forget(frame.a, longest);
      forget(frame.b, longest);
    } else if (node.kind == NodeKind::kPattern) {
      forget(frame.b, longest + nodes.patterns[node.first].max_distance);
    }
  }
}

void set_bit(std::vector<std::uint64_t>& words, std::int32_t id) {
  words[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (static_cast<std::size_t>(id) % 64);
}

}  // namespace

TokenGrammar::TokenGrammar(Grammar::Pointer grammar, TokenVocabulary::Pointer vocabulary,
                           std::size_t max_mask_bytes)
    : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)) {
  constexpr std::size_t kOverhead = 512;  // a key, twice, and the nodes of list and map
  max_masks_ = std::max<std::size_t>(1, max_mask_bytes / (vocabulary_->mask_words() * 8 + kOverhead));
}

std::size_t TokenGrammar::KeyHash::operator()(const Key& key) const {
  std::uint64_t value = key.size();
  for (const Frame& frame : key) {
    value = (value ^ frame.node) * 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 32U) ^ (std::uint64_t{frame.a} << 32U | frame.b)) * 0xC2B2AE3D27D4EB4FU;
  }
  return value ^ (value >> 29U);
}

std::size_t TokenGrammar::fill_mask(FrameSpan state, std::span<std::uint64_t> mask) const {
  thread_local Key key;
  key.assign(state.begin(), state.end());
  forget_far_counts(grammar_->nodes(), vocabulary_->longest_token(), key);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = masks_.find(key); found != masks_.end()) {
      ++statistics_.hits;
      recent_.splice(recent_.begin(), recent_, found->second);
      std::ranges::copy(found->second->words, mask.begin());
      return found->second->set_bits;
    }
    ++statistics_.misses;
  }
  // Not under the lock: two threads may compute one mask, and none waits for another's.
  Mask computed = compute(key);
  std::ranges::copy(computed.words, mask.begin());
  const std::size_t set_bits = computed.set_bits;
  const std::lock_guard lock(mutex_);
  if (masks_.contains(key)) return set_bits;
  recent_.push_front(std::move(computed));
  masks_.emplace(key, recent_.begin());
  if (recent_.size() > max_masks_) {
    masks_.erase(recent_.back().key);
    recent_.pop_back();
  }
  return set_bits;
}

TokenGrammar::Mask TokenGrammar::compute(const Key& key) const {
  Mask mask = {key, std::vector<std::uint64_t>(vocabulary_->mask_words()), 0};
  Determinized automaton(grammar_->nodes(), key);
  std::vector<std::uint32_t> path(vocabulary_->longest_token() + 1);  // the state at each depth
  const std::span<const TokenVocabulary::Node> nodes = vocabulary_->nodes();
  const std::span<const std::int32_t> ids = vocabulary_->sorted_ids();
  for (std::size_t at = 0; at < nodes.size();) {
    const TokenVocabulary::Node& node = nodes[at];
    const std::uint32_t state = automaton.next(path[node.depth - 1U], node.byte);
    if (state == kDead) {
      at = node.end;
      continue;
    }
    path[node.depth] = state;
    for (std::uint32_t i = 0; i < node.tokens; ++i) set_bit(mask.words, ids[node.first_token + i]);
    ++at;
  }
  if (automaton.start_can_end()) {
    for (const std::int32_t id : vocabulary_->eos_ids()) set_bit(mask.words, id);
  }
  for (const std::uint64_t word : mask.words) mask.set_bits += static_cast<std::size_t>(std::popcount(word));
  return mask;
}

TokenGrammar::Statistics TokenGrammar::statistics() const {
  const std::lock_guard lock(mutex_);
  Statistics result = statistics_;
  result.masks = recent_.size();
  return result;
}

}  // namespace fovea::grammar
