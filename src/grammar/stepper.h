#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "grammar/frame.h"
#include "grammar/nodes.h"

namespace fovea::grammar {

/// Takes the states of one grammar byte by byte. Stacks are lists of cells that share their ends, and equal
/// cells are one, so that two ways to the same place are seen to be the same. Everything lives until reset();
/// the memory is kept, so that a stepper in use allocates nothing. Not thread-safe.
class Stepper {
 public:
  using Cell = std::uint32_t;
  /// A state: the stacks' top cells. kNothing is the empty stack, an answer that is complete.
  using State = std::vector<Cell>;
  static constexpr Cell kNothing = 0;

  /// Forgets all cells. `nodes` outlives the stepper or the next reset.
  void reset(const GrammarNodes& nodes);

  void begin(State& state);
  void load(FrameSpan frames, State& state);
  /// Appends the state's frames.
  void store(const State& state, std::vector<Frame>& frames) const;

  /// What may come next: a byte of a set, which leads to a stack.
  struct Leaf {
    std::uint32_t byte_set;
    Cell next;
  };
  /// Finds what may come after `state`: leaves() and can_end() hold it until the next call.
  void expand(const State& state);
  [[nodiscard]] std::span<const Leaf> leaves() const { return leaves_; }
  [[nodiscard]] bool can_end() const { return can_end_; }
  [[nodiscard]] const ByteSet& byte_set(const Leaf& leaf) const { return nodes_->byte_sets[leaf.byte_set]; }

  /// After expand(): the state behind `byte`, empty where it may not come. Of ambiguous grammars with
  /// thousands of ways at once, those beyond a limit are not followed; every way left is valid.
  void follow(unsigned char byte, State& next) const;

  /// Goes over bytes; other states are lost where they are many. False, with `state` unspecified, where they
  /// do not fit.
  bool advance(State& state, std::string_view bytes);

 private:
  struct CellEntry {
    Frame frame;
    Cell next;
    std::uint32_t depth;     // kReturn frames in it
    std::uint32_t expanded;  // the last expand() that saw it
  };

  Cell make(const Frame& frame, Cell next);
  void push(NodeId node, Cell next);
  void visit(Cell cell);
  void visit_object(const Frame& frame, const Node& node, Cell next);
  void visit_pattern(const Frame& frame, const Node& node, Cell next);
  void grow_table();
  void drop_other_cells(State& state);

  const GrammarNodes* nodes_ = nullptr;
  std::vector<CellEntry> cells_;      // cells_[0] is kNothing
  std::vector<std::uint32_t> table_;  // open addressing: cells, 0 for a free place
  std::vector<Cell> pending_;
  std::vector<Leaf> leaves_;
  State scratch_;
  bool can_end_ = false;
  std::uint32_t round_ = 0;
};

}  // namespace fovea::grammar
