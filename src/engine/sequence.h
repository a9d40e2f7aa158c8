#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/answer_text.h"
#include "engine/embedding_cache.h"
#include "engine/generation.h"
#include "engine/sampler.h"
#include "grammar/matcher.h"
#include "nn/key_value_pages.h"

namespace fovea::engine {

/// One request on its way through the scheduler.
struct Sequence {
  Sequence(GenerationRequest asked, nn::KeyValuePool& pool)
      : request(std::move(asked)), cache(pool), sampler(request.sampling), text(request.sampling.stop) {
    if (request.grammar != nullptr) matcher.emplace(request.grammar);
    result.prompt_tokens = request.prompt.ids.size();
  }

  GenerationRequest request;
  nn::KeyValueSequence cache;
  Sampler sampler;
  std::optional<grammar::Matcher> matcher;
  AnswerText text;
  Generation result;

  /// Of each frame of the prompt; null for one whose keys and values are there.
  std::vector<std::shared_ptr<const Embeddings>> frames;
  std::vector<std::size_t> image_rows;  ///< of each prompt token: how many image tokens stand before it
  std::size_t limit = 0;                ///< most tokens of the answer
  std::vector<std::int32_t> answer;     ///< tokens of the answer, or of the choice that is scored
  std::size_t choice = 0;
  std::vector<double> first_logprobs;  ///< of each choice's first token, from the prompt's last row
  std::size_t told = 0;                ///< tokens that a delta carried
  std::string untold;                  ///< text that no delta carried yet
  bool frames_seen = false;            ///< every frame has its embeddings
  bool prompt_read = false;            ///< every row of the prompt is in the cache
  bool finished = false;

  std::chrono::steady_clock::time_point started, seen, prefilled, last_token;

  [[nodiscard]] std::size_t prompt_size() const { return request.prompt.ids.size(); }
  [[nodiscard]] std::size_t size() const { return prompt_size() + answer.size(); }
  /// Rows whose keys and values are still to be computed.
  [[nodiscard]] std::size_t rows_left() const { return size() - cache.length(); }
  [[nodiscard]] bool in_prompt() const { return cache.length() < prompt_size(); }
  [[nodiscard]] bool scores_choices() const { return !request.choices.empty(); }
  [[nodiscard]] bool frames_ready() const {
    for (const auto& frame : frames) {
      if (frame != nullptr && !frame->ready()) return false;
    }
    return true;
  }
};

}  // namespace fovea::engine
