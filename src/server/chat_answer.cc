#include "server/chat_answer.h"

#include <utility>

namespace fovea::server {
namespace {

using Json = nlohmann::ordered_json;

Json bytes_json(std::string_view bytes) {
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

Json usage_json(const recognize::ChatResult& result) {
  return {{"prompt_tokens", result.prompt_tokens},
          {"completion_tokens", result.completion_tokens},
          {"total_tokens", result.prompt_tokens + result.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", result.cached_tokens}}}};
}

Json frame_json(const ChatFrame& frame, const char* object) {
  Json json{{"id", frame.id}, {"object", object}, {"created", frame.created}, {"model", frame.model}};
  json["system_fingerprint"] = nullptr;
  if (!frame.fingerprint.empty()) json["system_fingerprint"] = frame.fingerprint;
  return json;
}

Json logprobs_member(Json logprobs) {
  if (logprobs.is_null()) return nullptr;
  return {{"content", std::move(logprobs)}, {"refusal", nullptr}};
}

}  // namespace

std::string_view finish_reason_name(engine::FinishReason reason) {
  return reason == engine::FinishReason::kLength ? "length" : "stop";
}

Json logprobs_json(std::span<const engine::TokenLogprob> tokens) {
  Json list = Json::array();
  for (const engine::TokenLogprob& token : tokens) {
    Json top = Json::array();
    for (const auto& other : token.alternatives) {
      top.push_back({{"token", other.bytes}, {"logprob", other.logprob}, {"bytes", bytes_json(other.bytes)}});
    }
    list.push_back({{"token", token.bytes},
                    {"logprob", token.logprob},
                    {"bytes", bytes_json(token.bytes)},
                    {"top_logprobs", std::move(top)}});
  }
  return list;
}

Json completion_json(const ChatFrame& frame, std::string_view text, Json logprobs,
                     const recognize::ChatResult& result) {
  Json json = frame_json(frame, "chat.completion");
  Json choice{{"index", 0},
              {"message", {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}}},
              {"logprobs", logprobs_member(std::move(logprobs))},
              {"finish_reason", finish_reason_name(result.finish_reason)}};
  json["choices"] = Json::array();
  json["choices"].push_back(std::move(choice));
  json["usage"] = usage_json(result);
  return json;
}

Json chunk_json(const ChatFrame& frame, Json delta, Json logprobs, Json finish_reason) {
  Json json = frame_json(frame, "chat.completion.chunk");
  Json choice{{"index", 0},
              {"delta", std::move(delta)},
              {"logprobs", logprobs_member(std::move(logprobs))},
              {"finish_reason", std::move(finish_reason)}};
  json["choices"] = Json::array();
  json["choices"].push_back(std::move(choice));
  return json;
}

Json usage_chunk_json(const ChatFrame& frame, const recognize::ChatResult& result) {
  Json json = frame_json(frame, "chat.completion.chunk");
  json["choices"] = Json::array();
  json["usage"] = usage_json(result);
  return json;
}

}  // namespace fovea::server
