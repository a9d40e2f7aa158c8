// Bodies of POST /v1/chat/completions: whatever is accepted keeps the limits that were set for it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "server/chat_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fovea;  // NOLINT(google-build-using-namespace): a program of one function
  const server::ChatLimits limits{.max_body_bytes = 1 << 16, .max_messages = 8, .max_images = 2};
  const auto call = server::parse_chat_request({reinterpret_cast<const char*>(data), size}, limits);
  if (!call) {
    if (call.error().error.message.empty()) std::abort();
    // Both end in an answer, which is JSON.
    (void)nlohmann::json{call.error().error.message}.dump();
    (void)nlohmann::json{call.error().param}.dump();
    return 0;
  }
  const recognize::ChatRequest& request = call->request;
  if (request.turns.empty() || request.turns.size() > limits.max_messages) std::abort();
  std::size_t images = 0;
  for (const auto& turn : request.turns) {
    if (turn.content.empty()) std::abort();
    for (const auto& part : turn.content) {
      const auto* image = std::get_if<recognize::ImagePart>(&part);
      if (image == nullptr) continue;
      if (turn.role != "user" || image->bytes.empty() || image->bytes.size() > size) std::abort();
      ++images;
    }
  }
  if (images > limits.max_images || request.max_new_tokens == 0 || request.sampling.stop.size() > 4)
    std::abort();
  if (!(request.sampling.temperature >= 0 && request.sampling.temperature <= 2)) std::abort();
  return 0;
}
