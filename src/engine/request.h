#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// What is asked of the engine, and what a token carries: the words that the rooms above share with it.

namespace fovea::engine {

/// Who goes first. A request that waits rises by one class every few seconds, so that none starves.
enum class Priority { kHigh, kNormal, kBatch };
inline constexpr std::size_t kPriorities = 3;
/// A request that waits so long counts as one of the next class.
inline constexpr std::chrono::seconds kRiseAfter{5};
/// The class, 0 for the highest, that one counts as which has waited so long; below 0 it has risen past all
/// that come.
[[nodiscard]] constexpr long effective_class(Priority priority, std::chrono::steady_clock::duration waited) {
  return static_cast<long>(priority) - static_cast<long>(waited / kRiseAfter);
}

/// How a token is picked from what the model predicts.
struct SamplingOptions {
  float temperature = 0;   ///< 0: the most likely token, always
  float top_p = 1;         ///< of the most likely tokens that together have this probability
  std::size_t top_k = 0;   ///< of so many most likely tokens; 0: of all
  std::uint64_t seed = 0;  ///< the same seed and request give the same answer
  /// Texts that end an answer where they appear; they are not part of it.
  std::vector<std::string> stop = {};
  bool ignore_eos = false;       ///< the end-of-sequence ids are never picked
  bool logprobs = false;         ///< fill Token::logprob and, top_logprobs of them, Token::alternatives
  std::size_t top_logprobs = 0;  ///< at most kMostTopLogprobs
};

inline constexpr std::size_t kMostTopLogprobs = 20;

/// One token of an answer, with the natural logarithm of its probability among the tokens that were allowed.
struct TokenLogprob {
  std::int32_t id = 0;
  std::string bytes;  ///< what the token stands for; not always whole UTF-8 characters
  float logprob = 0;  ///< 0 where the schema left no choice
  struct Alternative {
    std::int32_t id = 0;
    std::string bytes;
    float logprob = 0;
  };
  std::vector<Alternative> alternatives;  ///< most likely first
};

enum class FinishReason {
  kStop,    ///< an end-of-sequence token, a stop text, or a complete constrained answer
  kLength,  ///< max_new_tokens or the context's end
};

}  // namespace fovea::engine
