#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "recognize/chat.h"

namespace fovea::server {

/// What is wrong with a request, and which of its parameters: "messages[0].content[1].image_url.url".
struct ChatFault {
  Error error;
  std::string param;  ///< empty: the body as a whole
};

/// A picture that is to be fetched, and where it belongs: its ImagePart has no bytes yet.
struct RemoteImage {
  std::string url;
  std::string param;  ///< "messages[0].content[1].image_url.url"
  std::size_t turn;
  std::size_t part;
};

/// A request to /v1/chat/completions.
struct ChatCall {
  recognize::ChatRequest request;  ///< without request_id, deadline and stop, which the body does not hold
  bool include_usage = false;      ///< a last chunk with the usage, when streaming
  std::optional<std::chrono::milliseconds> deadline;
  std::vector<RemoteImage> remote;
};

class ImageFetcher;

struct ChatLimits {
  std::size_t max_body_bytes = std::size_t{20} * 1000 * 1000;
  std::size_t max_messages = 256;
  std::size_t max_images = 32;
  const ImageFetcher* fetcher = nullptr;  ///< says which URLs may be fetched; null: none
};

/// Reads a body in the form of OpenAI's chat completions: `model`, `messages` (texts, and pictures as data:
/// URIs or, where there is a fetcher, URLs that it may fetch), `temperature`, `top_p`, `top_k`, `seed`,
/// `stop`, `max_tokens` or `max_completion_tokens`, `stream`, `stream_options`, `logprobs`, `top_logprobs`,
/// `response_format`, and fovea's own `priority` and `deadline_ms`. What cannot change the answer is skipped
/// (`user`, `metadata`, `store`, …); what would, and is not to be had here (`tools`, `n` over 1,
/// `logit_bias`, …), is refused by name, as is what is unknown. A member that is null counts as left out.
/// Errors: kInvalidJson, kInvalidArgument, kTooLarge.
///
/// Without `temperature` the likeliest token is always picked, unlike OpenAI's: a reader of pictures should
/// answer the same twice.
std::expected<ChatCall, ChatFault> parse_chat_request(std::string_view body, const ChatLimits& limits = {});

/// The bytes of `data:image/TYPE;base64,…` (RFC 2397). Errors: kInvalidArgument, kTooLarge.
Result<std::vector<std::byte>> decode_image_uri(std::string_view uri, std::size_t max_bytes);

}  // namespace fovea::server
