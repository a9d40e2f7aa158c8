#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/request.h"

namespace fovea::recognize {

/// A picture inside a message: the bytes of an image file.
struct ImagePart {
  std::vector<std::byte> bytes;
};

struct ChatTurn {
  std::string role;  ///< "system", "user" or "assistant"
  std::vector<std::variant<std::string, ImagePart>> content;
};

/// The form that an answer must have.
struct ResponseFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema } kind = Kind::kText;
  std::string schema;  ///< kJsonSchema: the schema's JSON text
};

struct ChatRequest {
  std::string request_id;
  std::string model;  ///< empty: the default one. Unknown: kNotFound
  std::vector<ChatTurn> turns;
  engine::SamplingOptions sampling;
  std::size_t max_new_tokens = 256;
  ResponseFormat format;
  bool stream = false;  ///< on_delta is wanted as text comes; otherwise one delta before the end is enough
  engine::Priority priority = engine::Priority::kNormal;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token stop;  ///< requested when the caller has gone
};

/// A piece of an answer: whole UTF-8 characters, and the tokens it came from when logprobs were asked for.
struct ChatDelta {
  std::string text;
  std::vector<engine::TokenLogprob> logprobs;
};

struct ChatResult {
  std::optional<Error> error;
  std::optional<int> retry_after_s;  ///< with an error: seconds after which another try may do
  std::string model;
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  std::size_t prompt_tokens = 0;      ///< after image expansion
  std::size_t cached_tokens = 0;      ///< of the prompt, whose keys and values were there already
  std::size_t completion_tokens = 0;  ///< the end-of-sequence token not counted
};

struct ChatListener {
  std::move_only_function<void(ChatDelta)> on_delta;
  std::move_only_function<void(ChatResult)> on_done;
};

}  // namespace fovea::recognize
