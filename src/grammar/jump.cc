#include <algorithm>
#include <optional>

#include "grammar/matcher.h"
#include "grammar/stepper.h"
#include "text/unicode.h"

namespace fovea::grammar {

class JumpPlanner {
 public:
  JumpPlanner(const text::Tokenizer& tokenizer, const Matcher& matcher, std::span<const std::int32_t> emitted)
      : tokenizer_(tokenizer), matcher_(matcher), vocabulary_(matcher.vocabulary()), emitted_(emitted) {}

  JumpPlan plan() {
    JumpPlan nothing = {emitted_.size(), {}};
    std::string forced = matcher_.forced_bytes();
    if (forced.empty()) return nothing;
    text_ = vocabulary_.text(emitted_);
    answered_ = text_.size();
    text_ += forced;
    drop_begun_character();
    if (text_.size() <= answered_ || !text::is_valid_utf8(text_)) return nothing;

    const std::vector<std::int32_t> ids = tokenizer_.encode(text_);
    std::vector<std::size_t> starts;
    std::size_t end = 0;
    for (const std::int32_t id : ids) {
      // Special tokens have no bytes here. One in the way (the schema dictates its spelling), or a text that
      // the tokenizer changes, ends what can be appended.
      const std::string_view bytes = vocabulary_.bytes(id);
      if (bytes.empty() || std::string_view(text_).substr(end, bytes.size()) != bytes) break;
      starts.push_back(end);
      end += bytes.size();
    }
    starts.push_back(end);
    std::size_t count = starts.size() - 1;
    if (end == text_.size()) count = stable_tokens(starts);
    if (starts[count] <= answered_) return nothing;

    const auto kept = std::ranges::mismatch(emitted_, std::span(ids).first(count));
    JumpPlan plan;
    plan.keep = static_cast<std::size_t>(kept.in1 - emitted_.begin());
    plan.append.assign(ids.begin() + static_cast<std::ptrdiff_t>(plan.keep),
                       ids.begin() + static_cast<std::ptrdiff_t>(count));
    return plan;
  }

 private:
  /// Takes bytes from the end that begin a character without ending it.
  void drop_begun_character() {
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, text_.size()); ++back) {
      const auto byte = static_cast<unsigned char>(text_[text_.size() - back]);
      if ((byte & 0xC0U) == 0x80U) continue;
      const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
      if (length > back) text_.resize(text_.size() - back);
      return;
    }
  }

  /// How many tokens, from the first on, no permitted token that goes on beyond the text takes the place of.
  std::size_t stable_tokens(std::span<const std::size_t> starts) {
    stepper_.reset(matcher_.grammar().grammar().nodes());
    Stepper::State end;
    stepper_.load(matcher_.state(), end);
    stepper_.advance(end, std::string_view(text_).substr(answered_));
    std::size_t stable = starts.size() - 1;
    for (std::size_t i = stable; i-- > 0 && starts[i + 1] > answered_;) {
      if (can_be_continued(std::string_view(text_).substr(starts[i]), end)) stable = i;
    }
    return stable;
  }

  /// Whether a token begins with `bytes`, goes on, and is permitted where `state` is what follows them.
  bool can_be_continued(std::string_view bytes, const Stepper::State& state) {
    const auto nodes = vocabulary_.nodes();
    std::size_t at = 0;
    std::size_t end = nodes.size();
    for (const char c : bytes) {
      while (at < end && nodes[at].byte != static_cast<unsigned char>(c)) at = nodes[at].end;
      if (at >= end) return false;
      end = nodes[at].end;
      ++at;
    }
    return any_token(at, end, state);
  }

  /// Whether some token in a range of sibling subtrees fits.
  bool any_token(std::size_t at, std::size_t end, const Stepper::State& state) {
    const auto nodes = vocabulary_.nodes();
    while (at < end) {
      stepper_.expand(state);
      Stepper::State next;
      stepper_.follow(nodes[at].byte, next);
      const std::size_t after = nodes[at].end;
      if (!next.empty() && (nodes[at].tokens > 0 || any_token(at + 1, after, next))) return true;
      at = after;
    }
    return false;
  }

  const text::Tokenizer& tokenizer_;
  const Matcher& matcher_;
  const TokenVocabulary& vocabulary_;
  std::span<const std::int32_t> emitted_;
  std::string text_;          // the answer so far and what is dictated
  std::size_t answered_ = 0;  // bytes of the answer so far
  Stepper stepper_;
};

JumpPlan plan_jump(const text::Tokenizer& tokenizer, const Matcher& matcher,
                   std::span<const std::int32_t> emitted) {
  return JumpPlanner(tokenizer, matcher, emitted).plan();
}

}  // namespace fovea::grammar
