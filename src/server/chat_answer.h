#pragma once

#include <cstddef>
#include <ctime>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "engine/request.h"
#include "recognize/chat.h"

namespace fovea::server {

/// What all objects of one answer repeat.
struct ChatFrame {
  std::string id;  ///< "chatcmpl-…"
  std::string model;
  std::string fingerprint;  ///< of what answered: the model's version
  std::time_t created = 0;
};

/// OpenAI's `logprobs.content` for these tokens.
nlohmann::ordered_json logprobs_json(std::span<const engine::TokenLogprob> tokens);

/// The `chat.completion` object. `logprobs`: null, or the list of logprobs_json().
nlohmann::ordered_json completion_json(const ChatFrame& frame, std::string_view text,
                                       nlohmann::ordered_json logprobs, const recognize::ChatResult& result);

/// One `chat.completion.chunk` with a `delta` for its only choice; `finish_reason` and `logprobs` may be
/// null.
nlohmann::ordered_json chunk_json(const ChatFrame& frame, nlohmann::ordered_json delta,
                                  nlohmann::ordered_json logprobs, nlohmann::ordered_json finish_reason);

/// The last chunk where the usage is wanted: no choice, and what was used.
nlohmann::ordered_json usage_chunk_json(const ChatFrame& frame, const recognize::ChatResult& result);

/// "stop" or "length".
std::string_view finish_reason_name(engine::FinishReason reason);

}  // namespace fovea::server
