#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/token_grammar.h"
#include "grammar/vocabulary.h"
#include "text/tokenizer.h"

namespace fovea::grammar {

/// Where one sequence stands in its grammar. A value: copying it copies a few kilobytes. One thread at a
/// time; matchers of one TokenGrammar may run on many threads.
class Matcher {
 public:
  explicit Matcher(TokenGrammar::Pointer grammar);

  /// Sets the bit of every token that may come next and clears the others; `mask` has
  /// vocabulary().mask_words() words, bit i % 64 of word i / 64 for id i. The bits of end-of-sequence ids are
  /// set where the answer is complete. Returns how many bits are set: 0 only where the vocabulary lacks a
  /// byte that the schema dictates (or after an end-of-sequence token), and then nothing valid can follow.
  std::size_t fill_mask(std::span<std::uint64_t> mask) const;

  /// Takes a token. False, with the state unchanged, where it may not come: fill_mask() would have left its
  /// bit clear.
  bool accept(std::int32_t token);

  /// Takes bytes as one step, as if a token had them. False, with the state unchanged, where they do not fit.
  bool accept_bytes(std::string_view bytes);

  /// Undoes the last `steps` accepted tokens (or accept_bytes calls); at most steps().
  void rollback(std::size_t steps);
  /// How many steps were accepted and not undone.
  [[nodiscard]] std::size_t steps() const { return starts_.size() - 1; }

  /// Whether the answer is complete: an end-of-sequence token may come, or came.
  [[nodiscard]] bool can_end() const;
  /// Whether an end-of-sequence token was accepted.
  [[nodiscard]] bool ended() const { return state().empty(); }
  /// Whether the answer is complete and nothing but an end-of-sequence token may come.
  [[nodiscard]] bool must_end() const;

  /// The bytes that the grammar dictates from here: the longest run in which exactly one byte can come and
  /// the answer cannot end; at most 64 KiB.
  [[nodiscard]] std::string forced_bytes() const;

  [[nodiscard]] const TokenGrammar& grammar() const { return *grammar_; }
  [[nodiscard]] const TokenVocabulary& vocabulary() const { return grammar_->vocabulary(); }

 private:
  friend class JumpPlanner;
  [[nodiscard]] FrameSpan state() const { return FrameSpan(frames_).subspan(starts_.back()); }

  TokenGrammar::Pointer grammar_;
  // Every state since the start, one behind the other; starts_[i] is where the state after i steps begins.
  // That after an end-of-sequence token is empty.
  std::vector<Frame> frames_;
  std::vector<std::uint32_t> starts_;
};

/// What jump-forward does: the answer's ids become the first `keep` of those emitted, then `append`.
struct JumpPlan {
  std::size_t keep = 0;
  std::vector<std::int32_t> append;
};

/// Text that the grammar dictates, as tokens that need no decode step. `matcher` has accepted exactly
/// `emitted` (one step each, no end-of-sequence token). The answer so far and the dictated bytes are
/// tokenised together as `tokenizer` tokenises a whole answer, so `emitted[0, keep)` and then `append` are
/// the beginning of tokenizer.encode(answer + dictated bytes); where that cuts the emitted tail differently,
/// `keep` is less than emitted.size() (the engine rolls its key/value cache and the matcher back to `keep`
/// steps, then accepts `append`). Dictated bytes at the end stay for a masked step where a token that the
/// grammar permits begins with them and goes on beyond: there the model chooses. Special tokens are never
/// appended. `append` is empty, and `keep` emitted.size(), where there is nothing to gain. `tokenizer` is the
/// one the vocabulary was made from.
JumpPlan plan_jump(const text::Tokenizer& tokenizer, const Matcher& matcher,
                   std::span<const std::int32_t> emitted);

}  // namespace fovea::grammar
