#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "recognize/language_reader.h"

namespace fovea::recognize {
namespace {

/// A conversation's pictures, decoded, and its turns, which point to them.
struct Conversation {
  std::deque<image::Image> pictures;
  std::vector<engine::Turn> turns;
};

Result<Conversation> decode_pictures(const ChatRequest& request, const image::DecodeLimits& limits) {
  Conversation conversation;
  for (const ChatTurn& turn : request.turns) {
    engine::Turn& decoded = conversation.turns.emplace_back(turn.role);
    for (const auto& part : turn.content) {
      if (const auto* text = std::get_if<std::string>(&part)) {
        decoded.content.emplace_back(*text);
        continue;
      }
      FOVEA_TRY(image::Image picture, image::decode_image(std::get<ImagePart>(part).bytes, limits));
      decoded.content.emplace_back(&conversation.pictures.emplace_back(std::move(picture)));
    }
  }
  return conversation;
}

/// Text that spells one of the model's markers would end a turn or claim a picture that is not there.
Result<void> refuse_markers(const ChatRequest& request, const text::Tokenizer& tokenizer) {
  for (const ChatTurn& turn : request.turns) {
    for (const auto& part : turn.content) {
      const auto* text = std::get_if<std::string>(&part);
      if (text == nullptr || text->find('<') == std::string::npos) continue;
      for (const std::int32_t id : tokenizer.encode(*text)) {
        if (!tokenizer.is_special(id)) continue;
        return fail(
            ErrorCode::kInvalidArgument,
            fmt::format("a message contains \"{}\", which is a marker of the model and cannot stand in "
                        "text",
                        tokenizer.token_bytes(id)));
      }
    }
  }
  return {};
}

Result<grammar::TokenGrammar::Pointer> compile(grammar::GrammarCache& grammars,
                                               const ResponseFormat& format) {
  switch (format.kind) {
    case ResponseFormat::Kind::kText:
      return nullptr;
    case ResponseFormat::Kind::kJsonObject:
      return grammars.any_object();
    case ResponseFormat::Kind::kJsonSchema:
      return grammars.from_schema_text(format.schema);
  }
  return nullptr;
}

/// Tokens without text, the end of the sequence among them, are not shown.
std::vector<engine::TokenLogprob> shown(std::vector<engine::TokenLogprob> tokens) {
  std::erase_if(tokens, [](const engine::TokenLogprob& token) { return token.bytes.empty(); });
  return tokens;
}

}  // namespace

void LanguageReader::chat(ChatRequest request, ChatListener listener) {
  const auto shared = std::make_shared<ChatListener>(std::move(listener));
  const auto fail_with = [&shared](Error error) {
    ChatResult result;
    result.error = std::move(error);
    shared->on_done(std::move(result));
  };
  if (auto clean = refuse_markers(request, engine_->tokenizer()); !clean) return fail_with(clean.error());
  auto grammar = compile(engine_->grammars(), request.format);
  if (!grammar) return fail_with(std::move(grammar).error());
  auto conversation = decode_pictures(request, limits_);
  if (!conversation) return fail_with(std::move(conversation).error());
  auto prompt = engine_->prepare(conversation->turns);
  if (!prompt) return fail_with(std::move(prompt).error());

  engine::GenerationRequest generation;
  generation.prompt = std::move(*prompt);
  generation.sampling = request.sampling;
  generation.max_new_tokens = request.max_new_tokens;
  generation.grammar = std::move(*grammar);
  generation.priority = request.priority;
  generation.deadline = request.deadline;
  generation.stop = std::move(request.stop);
  const bool stream = request.stream;
  if (stream) {
    generation.on_delta = [shared](engine::Delta delta) {
      ChatDelta piece{.text = std::move(delta.text), .logprobs = shown(std::move(delta.tokens))};
      if (!piece.text.empty() || !piece.logprobs.empty()) shared->on_delta(std::move(piece));
    };
  }
  generation.on_done = [this, shared, stream](engine::Generation done) {
    ChatResult result;
    result.error = std::move(done.error);
    result.finish_reason = done.finish_reason;
    result.prompt_tokens = done.prompt_tokens;
    result.cached_tokens = done.cached_tokens;
    const auto& eos = engine_->config().eos_token_ids;
    const auto ends = std::ranges::count_if(
        done.token_ids, [&](std::int32_t id) { return std::ranges::count(eos, id) != 0; });
    result.completion_tokens = done.token_ids.size() - static_cast<std::size_t>(ends);
    if (!stream && !result.error) {
      shared->on_delta({.text = std::move(done.text), .logprobs = shown(std::move(done.tokens))});
    }
    shared->on_done(std::move(result));
  };
  engine_->submit(std::move(generation));
}

}  // namespace fovea::recognize
