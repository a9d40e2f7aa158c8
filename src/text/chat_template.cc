#include "text/chat_template.h"

#include <string_view>

namespace fovea::text {
namespace {

/// Jinja's `capitalize` for the ASCII names that roles are.
std::string capitalized(std::string_view role) {
  std::string out(role);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

}  // namespace

std::string render_smolvlm_chat(const std::vector<ChatMessage>& messages, bool add_generation_prompt) {
  std::string out = "<|im_start|>";  // once in a conversation, not once a message
  for (const ChatMessage& message : messages) {
    out += capitalized(message.role);
    const bool image_first =
        !message.content.empty() && std::holds_alternative<ImageItem>(message.content[0]);
    out += image_first ? ":" : ": ";
    for (const auto& item : message.content) {
      const auto* text = std::get_if<std::string>(&item);
      out += text != nullptr ? *text : "<image>";
    }
    out += "<end_of_utterance>\n";
  }
  if (add_generation_prompt) out += "Assistant:";
  return out;
}

}  // namespace fovea::text
