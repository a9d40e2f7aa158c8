#pragma once

#include <string>
#include <variant>
#include <vector>

namespace fovea::text {

/// Marks the place of the next picture in a message.
struct ImageItem {};

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant"
  std::vector<std::variant<std::string, ImageItem>> content;
};

/// Renders a conversation as the SmolVLM family's chat template does, with `<image>` for every picture and,
/// when `add_generation_prompt`, `Assistant:` at the end. Text stands as it is, markers in it included:
/// keeping those out of a user's text is the caller's part. Content that a caller has as one plain string is
/// one text item here (the template itself would leave such a string out). Thread-safe; no errors. Source:
/// chat_template of the published SmolVLM and SmolVLM2 checkpoints.
std::string render_smolvlm_chat(const std::vector<ChatMessage>& messages, bool add_generation_prompt);

}  // namespace fovea::text
