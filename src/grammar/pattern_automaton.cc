#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "grammar/pattern.h"

namespace fovea::grammar {
namespace {

using Kind = Expression::Kind;

constexpr std::size_t kMaxPositions = 20'000;  // of the nondeterministic automaton
constexpr std::size_t kMaxStates = 2'000;      // of the deterministic one
constexpr std::size_t kMaxWork = 2'000'000;    // positions visited in all

std::unexpected<Error> too_large() {
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("the pattern with its lengths needs an automaton of more than {} states", kMaxStates));
}

/// Thompson's construction. A position consumes a character of a set, or leads on without consuming, or does
/// so only at the text's begin or end.
struct Position {
  enum class Kind : std::uint8_t { kSet, kSplit, kBegin, kEnd, kAccept } kind;
  const CodePointSet* set = nullptr;
  std::uint32_t next = 0;
  std::uint32_t other = 0;  // of a kSplit
};

class Positions {
 public:
  /// Builds back to front: the position where `expression` starts when `next` follows it.
  std::uint32_t build(const Expression& expression, std::uint32_t next) {
    if (full()) return next;
    switch (expression.kind) {
      case Kind::kEmpty:
        return next;
      case Kind::kSet:
        return add({Position::Kind::kSet, &expression.set, next});
      case Kind::kBegin:
        return add({Position::Kind::kBegin, nullptr, next});
      case Kind::kEnd:
        return add({Position::Kind::kEnd, nullptr, next});
      case Kind::kSequence:
        for (std::size_t i = expression.parts.size(); i-- > 0;) next = build(expression.parts[i], next);
        return next;
      case Kind::kAlternate: {
        std::uint32_t start = build(expression.parts.back(), next);
        for (std::size_t i = expression.parts.size() - 1; i-- > 0;) {
          start = split(build(expression.parts[i], next), start);
        }
        return start;
      }
      case Kind::kRepeat:
        return repeat(expression, next);
    }
    return next;
  }

  std::uint32_t add(const Position& position) {
    positions_.push_back(position);
    return static_cast<std::uint32_t>(positions_.size() - 1);
  }
  std::uint32_t split(std::uint32_t next, std::uint32_t other) {
    return add({Position::Kind::kSplit, nullptr, next, other});
  }
  /// `set` any number of times, then `next`.
  std::uint32_t star(const CodePointSet* set, std::uint32_t next) {
    const std::uint32_t loop = split(0, next);
    const std::uint32_t body = add({Position::Kind::kSet, set, loop});
    positions_[loop].next = body;
    return loop;
  }
  [[nodiscard]] bool full() const { return positions_.size() > kMaxPositions; }
  const Position& operator[](std::uint32_t at) const { return positions_[at]; }
  [[nodiscard]] std::size_t size() const { return positions_.size(); }

 private:
  std::uint32_t repeat(const Expression& expression, std::uint32_t next) {
    const Expression& body = expression.parts[0];
    if (expression.max == kInfinite) {
      const std::uint32_t loop = split(0, next);
      const std::uint32_t start = build(body, loop);
      positions_[loop].next = start;
      next = loop;
    } else {
      const std::uint32_t after = next;
      for (std::uint32_t i = expression.min; i < expression.max && !full(); ++i) {
        next = split(build(body, next), after);
      }
    }
    for (std::uint32_t i = 0; i < expression.min && !full(); ++i) next = build(body, next);
    return next;
  }

  std::vector<Position> positions_;
};

/// The subset construction, with characters counted up to the shortest length that is allowed.
class Determinizer {
 public:
  Determinizer(const Expression& expression, std::size_t min_length)
      : any_(CodePointSet::all()), min_length_(min_length) {
    const std::uint32_t accept = positions_.add({Position::Kind::kAccept});
    start_ = positions_.star(&any_, positions_.build(expression, positions_.star(&any_, accept)));
    seen_.resize(positions_.size());
  }

  Result<void> run() {
    if (positions_.full()) return too_large();
    find({close({start_}, true, false), 0, true});
    for (std::size_t at = 0; at < states_.size(); ++at) {
      if (states_.size() > kMaxStates || work_ > kMaxWork) return too_large();
      expand(at);
    }
    return {};
  }

  /// The automaton without the states that cannot reach acceptance. Errors: nothing is accepted.
  Result<PatternAutomaton> take(std::size_t max_length, NodeBuilder& builder) {
    const std::vector<std::uint32_t> distances = distances_to_acceptance();
    if (distances[0] > max_length) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("no string of {} to {} characters matches the pattern", min_length_, max_length));
    }
    std::vector<std::uint32_t> kept(states_.size(), kInfinite);
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (distances[i] != kInfinite) kept[i] = count++;
    }
    PatternAutomaton automaton;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (kept[i] == kInfinite) continue;
      PatternAutomaton::State state = {static_cast<std::uint32_t>(automaton.edges.size()), 0, distances[i]};
      for (const auto& [target, characters] : edges_[i]) {
        if (kept[target] == kInfinite) continue;
        automaton.edges.push_back({builder.json_character(characters), kept[target]});
        ++state.edges;
      }
      automaton.states.push_back(state);
      automaton.max_distance = std::max(automaton.max_distance, state.distance);
    }
    return automaton;
  }

 private:
  struct State {
    std::vector<std::uint32_t> positions;  // sorted, closed; those that consume, assert the end or accept
    std::size_t length;                    // characters so far, at most min_length_
    bool at_begin;                         // nothing is consumed yet
    auto operator<=>(const State&) const = default;
  };

  std::uint32_t find(State state) {
    const auto [known, is_new] =
        ids_.try_emplace(std::move(state), static_cast<std::uint32_t>(states_.size()));
    if (is_new) {
      states_.push_back(&known->first);
      edges_.emplace_back();
    }
    return known->second;
  }

  /// What can be reached without consuming.
  std::vector<std::uint32_t> close(std::vector<std::uint32_t> pending, bool at_begin, bool at_end) {
    ++round_;
    std::vector<std::uint32_t> result;
    while (!pending.empty()) {
      const std::uint32_t at = pending.back();
      pending.pop_back();
      if (std::exchange(seen_[at], round_) == round_) continue;
      ++work_;
      const Position& position = positions_[at];
      switch (position.kind) {
        case Position::Kind::kSplit:
          pending.push_back(position.next);
          pending.push_back(position.other);
          break;
        case Position::Kind::kBegin:
          if (at_begin) pending.push_back(position.next);
          break;
        case Position::Kind::kEnd:
          if (at_end) pending.push_back(position.next);
          result.push_back(at);
          break;
        case Position::Kind::kSet:
        case Position::Kind::kAccept:
          result.push_back(at);
          break;
      }
    }
    std::ranges::sort(result);
    return result;
  }

  bool accepts(const State& state) {
    if (state.length < min_length_) return false;
    const std::vector<std::uint32_t> closed = close(state.positions, state.at_begin, true);
    return std::ranges::any_of(
        closed, [this](std::uint32_t at) { return positions_[at].kind == Position::Kind::kAccept; });
  }

  /// Cuts the characters at every set's bounds and follows each part.
  void expand(std::size_t at) {
    const State& state = *states_[at];
    std::vector<char32_t> bounds;
    for (const std::uint32_t id : state.positions) {
      if (positions_[id].kind != Position::Kind::kSet) continue;
      for (const CodePointSet::Range& range : positions_[id].set->ranges()) {
        bounds.push_back(range.first);
        bounds.push_back(range.last + 1);
      }
    }
    std::ranges::sort(bounds);
    const auto repeated = std::ranges::unique(bounds);
    bounds.erase(repeated.begin(), repeated.end());
    const std::size_t length = std::min(state.length + 1, min_length_);
    std::map<std::vector<std::uint32_t>, CodePointSet> parts;  // by the positions that they lead to
    for (std::size_t i = 0; i + 1 < bounds.size() && work_ <= kMaxWork; ++i) {
      std::vector<std::uint32_t> targets;
      for (const std::uint32_t id : state.positions) {
        ++work_;
        if (positions_[id].kind == Position::Kind::kSet && positions_[id].set->contains(bounds[i])) {
          targets.push_back(positions_[id].next);
        }
      }
      std::ranges::sort(targets);
      const auto same = std::ranges::unique(targets);
      targets.erase(same.begin(), same.end());
      if (!targets.empty()) parts[std::move(targets)].add({bounds[i], bounds[i + 1] - 1});
    }
    std::map<std::uint32_t, CodePointSet> edges;
    for (auto& [targets, characters] : parts) {
      if (characters.empty()) continue;
      edges[find({close(targets, false, false), length, false})].add(characters);
    }
    edges_[at] = {edges.begin(), edges.end()};
  }

  std::vector<std::uint32_t> distances_to_acceptance() {
    std::vector<std::vector<std::uint32_t>> sources(states_.size());
    std::vector<std::uint32_t> distances(states_.size(), kInfinite);
    std::deque<std::uint32_t> pending;
    for (std::uint32_t i = 0; i < states_.size(); ++i) {
      for (const auto& [target, characters] : edges_[i]) sources[target].push_back(i);
      if (!accepts(*states_[i])) continue;
      distances[i] = 0;
      pending.push_back(i);
    }
    while (!pending.empty()) {
      const std::uint32_t at = pending.front();
      pending.pop_front();
      for (const std::uint32_t source : sources[at]) {
        if (distances[source] != kInfinite) continue;
        distances[source] = distances[at] + 1;
        pending.push_back(source);
      }
    }
    return distances;
  }

  CodePointSet any_;
  std::size_t min_length_;
  Positions positions_;
  std::uint32_t start_ = 0;
  std::vector<std::size_t> seen_;
  std::size_t round_ = 0;
  std::size_t work_ = 0;
  std::map<State, std::uint32_t> ids_;
  std::vector<const State*> states_;  // into ids_
  std::vector<std::vector<std::pair<std::uint32_t, CodePointSet>>> edges_;
};

}  // namespace

Result<PatternAutomaton> make_automaton(const Expression& expression, std::size_t min_length,
                                        std::size_t max_length, NodeBuilder& builder) {
  if (min_length > kMaxStates) return too_large();
  Determinizer determinizer(expression, min_length);
  FOVEA_CHECK_OK(determinizer.run());
  return determinizer.take(max_length, builder);
}

}  // namespace fovea::grammar
