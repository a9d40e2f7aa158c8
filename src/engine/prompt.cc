#include "engine/prompt.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "image/tiling.h"
#include "models/smolvlm/prompt.h"
#include "text/chat_template.h"

namespace fovea::engine {
namespace {

FrameKey key_of(const image::Image& pixels) {
  FrameKey key;
  unsigned int size = 0;
  // Frames of one model all have the same size, so the pixels alone tell them apart.
  EVP_Digest(pixels.rgb.data(), pixels.rgb.size(), key.data(), &size, EVP_sha256(), nullptr);
  return key;
}

/// kContextExceeded unless a prompt of so many tokens leaves room for an answer.
Result<void> check_context(const models::smolvlm::Config& config, std::size_t prompt_tokens) {
  const std::size_t context = config.text.max_position_embeddings;
  if (prompt_tokens < context) return {};
  return fail(
      ErrorCode::kContextExceeded,
      fmt::format("the prompt with its pictures is at least {} tokens long, the model's context is {}; "
                  "ask for less or send a smaller picture",
                  prompt_tokens, context));
}

}  // namespace

Result<Prompt> make_prompt(const models::smolvlm::Config& config, const text::Tokenizer& tokenizer,
                           std::span<const Turn> turns, Detail detail, WorkerTeam* team) {
  image::TilingConfig tiling = config.tiling;
  if (detail == Detail::kGlance) tiling.do_image_splitting = false;
  Prompt result;
  std::vector<models::smolvlm::Grid> grids;
  std::vector<text::ChatMessage> chat;
  std::size_t frames = 0;
  for (const Turn& turn : turns) {
    text::ChatMessage& message = chat.emplace_back(turn.role);
    for (const auto& item : turn.content) {
      if (const auto* text = std::get_if<std::string>(&item)) {
        message.content.emplace_back(*text);
        continue;
      }
      const image::Image& picture = *std::get<const image::Image*>(item);
      // Before any tile is made: a hostile configuration can ask for millions of them.
      if (picture.width > 0 && picture.height > 0) {
        frames +=
            static_cast<std::size_t>(image::plan_tiles({picture.width, picture.height}, tiling).frames());
      }
      FOVEA_CHECK_OK(check_context(config, frames * config.tokens_per_frame()));
      FOVEA_TRY(image::TiledImage tiled, image::tile_image(picture, tiling, team));
      grids.push_back({tiled.rows, tiled.columns});
      for (image::Image& frame : tiled.frames) {
        const FrameKey key = key_of(frame);
        result.frames.push_back(std::make_shared<const Frame>(std::move(frame), key));
      }
      message.content.emplace_back(text::ImageItem{});
    }
  }
  const std::string rendered = text::render_smolvlm_chat(chat, /*add_generation_prompt=*/true);
  FOVEA_TRY(const std::string expanded,
            models::smolvlm::expand_image_prompt(rendered, grids, config.tokens_per_frame()));
  result.ids = tokenizer.encode(expanded);

  const auto image_tokens = static_cast<std::size_t>(std::ranges::count(result.ids, config.image_token_id));
  if (image_tokens != result.frames.size() * config.tokens_per_frame()) {
    return fail(
        ErrorCode::kInvalidModel,
        fmt::format(
            "the prompt came out with {} image tokens for {} frames of {}: tokenizer.json does not make "
            "\"<image>\" the image_token_id {}",
            image_tokens, result.frames.size(), config.tokens_per_frame(), config.image_token_id));
  }
  FOVEA_CHECK_OK(check_context(config, result.ids.size()));
  return result;
}

}  // namespace fovea::engine
