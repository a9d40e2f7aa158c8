#include "grammar/stepper.h"

#include <algorithm>
#include <utility>

namespace fovea::grammar {
namespace {

constexpr std::size_t kMaxLeaves = 4096;
constexpr std::size_t kManyCells = 100'000;  // some megabytes

std::size_t hash(const Frame& frame, std::uint32_t next) {
  std::uint64_t value = (std::uint64_t{frame.node} << 32 | next) * 0x9E3779B97F4A7C15U;
  value ^= (std::uint64_t{frame.a} << 32 | frame.b) * 0xC2B2AE3D27D4EB4FU;
  return (value ^ value >> 29U) * 0xBF58476D1CE4E5B9U >> 20U;
}

}  // namespace

void Stepper::reset(const GrammarNodes& nodes) {
  nodes_ = &nodes;
  cells_.clear();
  cells_.push_back({{kEndOfStack, 0, 0}, kNothing, 0, 0});
  table_.assign(256, 0);
  round_ = 0;
}

Stepper::Cell Stepper::make(const Frame& frame, Cell next) {
  if (cells_.size() * 2 >= table_.size()) grow_table();
  std::size_t place = hash(frame, next) & (table_.size() - 1);
  while (table_[place] != 0) {
    const CellEntry& known = cells_[table_[place]];
    if (known.frame == frame && known.next == next) return table_[place];
    place = (place + 1) & (table_.size() - 1);
  }
  const auto cell = static_cast<Cell>(cells_.size());
  table_[place] = cell;
  const std::uint32_t depth = cells_[next].depth + (frame.node == kReturnNode ? 1 : 0);
  cells_.push_back({frame, next, depth, 0});
  return cell;
}

void Stepper::grow_table() {
  table_.assign(table_.size() * 2, 0);
  for (Cell cell = 1; cell < cells_.size(); ++cell) {
    std::size_t place = hash(cells_[cell].frame, cells_[cell].next) & (table_.size() - 1);
    while (table_[place] != 0) place = (place + 1) & (table_.size() - 1);
    table_[place] = cell;
  }
}

void Stepper::begin(State& state) {
  state.assign(1, make(nodes_->begin(nodes_->root), kNothing));
}

void Stepper::load(FrameSpan frames, State& state) {
  state.clear();
  std::size_t begin = 0;
  while (begin < frames.size()) {
    std::size_t end = begin;
    while (frames[end].node != kEndOfStack) ++end;
    Cell cell = kNothing;
    for (std::size_t i = end; i-- > begin;) cell = make(frames[i], cell);
    state.push_back(cell);
    begin = end + 1;
  }
}

void Stepper::store(const State& state, std::vector<Frame>& frames) const {
  for (Cell cell : state) {
    for (; cell != kNothing; cell = cells_[cell].next) frames.push_back(cells_[cell].frame);
    frames.push_back({kEndOfStack, 0, 0});
  }
}

/// Has the node before `next`, unless every text of it follows more references than may be.
void Stepper::push(NodeId node, Cell next) {
  if (node == kEmptyNode) {
    pending_.push_back(next);
    return;
  }
  const std::uint32_t height = nodes_->nodes[node].height;
  if (height > nodes_->max_recursion || cells_[next].depth > nodes_->max_recursion - height) return;
  pending_.push_back(make(nodes_->begin(node), next));
}

void Stepper::expand(const State& state) {
  leaves_.clear();
  can_end_ = false;
  ++round_;
  pending_.assign(state.rbegin(), state.rend());
  while (!pending_.empty() && leaves_.size() < kMaxLeaves) {
    const Cell cell = pending_.back();
    pending_.pop_back();
    if (std::exchange(cells_[cell].expanded, round_) != round_) visit(cell);
  }
}

void Stepper::visit(Cell cell) {
  if (cell == kNothing) {
    can_end_ = true;
    return;
  }
  const Frame frame = cells_[cell].frame;
  const Cell next = cells_[cell].next;
  const Node& node = nodes_->nodes[frame.node];
  switch (node.kind) {
    case NodeKind::kReturn:
    case NodeKind::kEmpty:
      pending_.push_back(next);
      break;
    case NodeKind::kBytes:
      leaves_.push_back({node.first, next});
      break;
    case NodeKind::kLiteral: {
      const auto byte = static_cast<unsigned char>(nodes_->text[node.first + frame.a]);
      leaves_.push_back({byte, frame.a + 1 < node.count ? make({frame.node, frame.a + 1, 0}, next) : next});
      break;
    }
    case NodeKind::kSequence:
      push(nodes_->children[node.first + frame.a],
           frame.a + 1 < node.count ? make({frame.node, frame.a + 1, 0}, next) : next);
      break;
    case NodeKind::kChoice:
      for (std::uint32_t i = node.count; i-- > 0;) push(nodes_->children[node.first + i], next);
      break;
    case NodeKind::kRepeat:
      if (frame.a == 0) pending_.push_back(next);
      if (frame.b > 0) {
        const std::uint32_t needed = frame.a == 0 || frame.a == kInfinite ? frame.a : frame.a - 1;
        const std::uint32_t allowed = frame.b == kInfinite ? kInfinite : frame.b - 1;
        push(node.first, allowed == 0 ? next : make({frame.node, needed, allowed}, next));
      }
      break;
    case NodeKind::kObject:
      visit_object(frame, node, next);
      break;
    case NodeKind::kPattern:
      visit_pattern(frame, node, next);
      break;
    case NodeKind::kReference:
      push(node.first, make({kReturnNode, 0, 0}, next));
      break;
  }
}

/// From each member on that may come, up to the first that must.
void Stepper::visit_object(const Frame& frame, const Node& node, Cell next) {
  for (std::uint32_t i = frame.a; i < node.count; ++i) {
    const Member& member = nodes_->members[node.first + i];
    const std::uint32_t height = nodes_->nodes[member.value].height;
    if (height <= nodes_->max_recursion && cells_[next].depth <= nodes_->max_recursion - height) {
      const Cell rest = make({frame.node, i + 1, 1}, next);
      const Cell value = member.value == kEmptyNode ? rest : make(nodes_->begin(member.value), rest);
      push(frame.b == 0 ? member.first_key : member.later_key, value);
    }
    if (member.required) return;
  }
  push(kCloseBraceNode, next);
}

void Stepper::visit_pattern(const Frame& frame, const Node& node, Cell next) {
  const PatternAutomaton& automaton = nodes_->patterns[node.first];
  const PatternAutomaton::State& state = automaton.states[frame.a];
  if (state.distance == 0) pending_.push_back(next);
  for (std::uint32_t i = 0; i < state.edges; ++i) {
    const PatternAutomaton::Edge& edge = automaton.edges[state.first_edge + i];
    const bool unlimited = frame.b == kInfinite;
    if (!unlimited && frame.b <= automaton.states[edge.target].distance) continue;
    push(edge.characters, make({frame.node, edge.target, unlimited ? kInfinite : frame.b - 1}, next));
  }
}

void Stepper::follow(unsigned char byte, State& next) const {
  next.clear();
  for (const Leaf& leaf : leaves_) {
    if (byte_set(leaf).contains(byte)) next.push_back(leaf.next);
  }
  std::ranges::sort(next);
  const auto repeated = std::ranges::unique(next);
  next.erase(repeated.begin(), repeated.end());
}

bool Stepper::advance(State& state, std::string_view bytes) {
  for (const char byte : bytes) {
    expand(state);
    follow(static_cast<unsigned char>(byte), scratch_);
    if (scratch_.empty()) return false;
    std::swap(state, scratch_);
    if (cells_.size() > kManyCells) drop_other_cells(state);
  }
  return true;
}

void Stepper::drop_other_cells(State& state) {
  std::vector<Frame> frames;
  store(state, frames);
  reset(*nodes_);
  load(frames, state);
}

}  // namespace fovea::grammar
