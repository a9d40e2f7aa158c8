#include "grammar/matcher.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "grammar/stepper.h"

namespace fovea::grammar {
namespace {

constexpr std::size_t kMaxForcedBytes = std::size_t{64} << 10;

/// One for each thread, so that taking a token allocates nothing.
Stepper& thread_stepper(const Grammar& grammar) {
  thread_local Stepper stepper;
  stepper.reset(grammar.nodes());
  return stepper;
}

Stepper::State& thread_state() {
  thread_local Stepper::State state;
  return state;
}

}  // namespace

Matcher::Matcher(TokenGrammar::Pointer grammar) : grammar_(std::move(grammar)), starts_(1, 0) {
  Stepper& stepper = thread_stepper(grammar_->grammar());
  stepper.begin(thread_state());
  stepper.store(thread_state(), frames_);
}

std::size_t Matcher::fill_mask(std::span<std::uint64_t> mask) const {
  assert(mask.size() == vocabulary().mask_words());
  if (ended()) {
    std::ranges::fill(mask, 0);
    return 0;
  }
  return grammar_->fill_mask(state(), mask);
}

bool Matcher::accept(std::int32_t token) {
  if (vocabulary().is_eos(token)) {
    if (ended() || !can_end()) return false;
    starts_.push_back(static_cast<std::uint32_t>(frames_.size()));
    return true;
  }
  const std::string_view bytes = vocabulary().bytes(token);
  return !bytes.empty() && accept_bytes(bytes);
}

bool Matcher::accept_bytes(std::string_view bytes) {
  if (ended()) return false;
  Stepper& stepper = thread_stepper(grammar_->grammar());
  stepper.load(state(), thread_state());
  if (!stepper.advance(thread_state(), bytes)) return false;
  starts_.push_back(static_cast<std::uint32_t>(frames_.size()));
  stepper.store(thread_state(), frames_);
  return true;
}

void Matcher::rollback(std::size_t steps) {
  assert(steps <= this->steps());
  if (steps == 0) return;
  frames_.resize(starts_[starts_.size() - steps]);
  starts_.resize(starts_.size() - steps);
}

bool Matcher::can_end() const {
  if (ended()) return true;
  Stepper& stepper = thread_stepper(grammar_->grammar());
  stepper.load(state(), thread_state());
  stepper.expand(thread_state());
  return stepper.can_end();
}

bool Matcher::must_end() const {
  if (ended()) return false;
  Stepper& stepper = thread_stepper(grammar_->grammar());
  stepper.load(state(), thread_state());
  stepper.expand(thread_state());
  return stepper.can_end() && stepper.leaves().empty();
}

std::string Matcher::forced_bytes() const {
  std::string forced;
  if (ended()) return forced;
  Stepper& stepper = thread_stepper(grammar_->grammar());
  Stepper::State current;
  Stepper::State next;
  stepper.load(state(), current);
  while (forced.size() < kMaxForcedBytes) {
    stepper.expand(current);
    if (stepper.can_end()) break;
    ByteSet possible;
    for (const Stepper::Leaf& leaf : stepper.leaves()) possible |= stepper.byte_set(leaf);
    if (possible.count() != 1) break;
    stepper.follow(possible.first(), next);
    forced += static_cast<char>(possible.first());
    std::swap(current, next);
  }
  return forced;
}

}  // namespace fovea::grammar
