#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/prompt.h"
#include "engine/request.h"
#include "grammar/token_grammar.h"

namespace fovea::engine {

/// A piece of an answer as it comes.
struct Delta {
  std::string text;                  ///< whole UTF-8 characters
  std::vector<TokenLogprob> tokens;  ///< since the last piece, where logprobs were asked for
};

/// What a request came to.
struct Generation {
  std::optional<Error> error;  ///< kCancelled, kDeadline, kInternal: what follows is what there is
  std::size_t prompt_tokens = 0;
  std::size_t cached_tokens = 0;        ///< of the prompt, whose keys and values were there already
  std::vector<std::int32_t> token_ids;  ///< the new tokens, an end-of-sequence token included
  std::vector<TokenLogprob> tokens;     ///< the same with logprobs, where they were asked for
  std::string text;                     ///< special tokens left out, not stripped, up to a stop text
  FinishReason finish_reason = FinishReason::kLength;
  std::vector<double> choice_logprobs;  ///< of the request's choices: ln p(choice, end | prompt)
  std::size_t decode_steps = 0;         ///< tokens that the model chose; the others the grammar dictated
  std::size_t frames_encoded = 0;       ///< frames of the prompt that this request put through the tower
  double queue_ms = 0, image_ms = 0, vision_ms = 0, prefill_ms = 0, decode_ms = 0;
};

/// One request to the engine.
struct GenerationRequest {
  Prompt prompt;
  SamplingOptions sampling;
  std::size_t max_new_tokens = 256;
  grammar::TokenGrammar::Pointer grammar;  ///< what the answer must look like, or null
  /// Instead of an answer: how likely each of these is as the whole answer. Token ids without the
  /// end-of-sequence token; none is empty.
  std::vector<std::vector<std::int32_t>> choices;
  Priority priority = Priority::kNormal;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token stop;  ///< requested when nobody wants the answer any more

  /// Called on the engine's thread, which must not wait in them: pieces as they come (may be null), then the
  /// whole once.
  std::move_only_function<void(Delta)> on_delta;
  std::move_only_function<void(Generation)> on_done;

  std::chrono::steady_clock::time_point submitted = std::chrono::steady_clock::now();
};

}  // namespace fovea::engine
