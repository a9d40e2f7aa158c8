#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/worker_team.h"
#include "image/image.h"
#include "models/smolvlm/config.h"
#include "text/tokenizer.h"

namespace fovea::engine {

/// SHA-256 of a frame's pixels: frames with the same key have the same embeddings in one model.
using FrameKey = std::array<std::uint8_t, 32>;

/// A T x T picture as the vision tower sees it.
struct Frame {
  image::Image pixels;
  FrameKey key;
};

/// What a model is asked, ready for it: nothing here depends on anything else that runs.
struct Prompt {
  /// Tokens, image tokens among them: the k-th image token stands for the k-th embedding of the frames, in
  /// order.
  std::vector<std::int32_t> ids;
  std::vector<std::shared_ptr<const Frame>> frames;
};

/// How closely pictures are looked at.
enum class Detail {
  kFull,    ///< as the model's processor says, mostly cut into tiles
  kGlance,  ///< the whole picture in one frame, as the processor does with do_image_splitting off
};

/// One message of a conversation.
struct Turn {
  std::string role;  ///< "system", "user" or "assistant"
  std::vector<std::variant<std::string, const image::Image*>> content;
};

/// Renders a conversation with the family's chat template, cuts its pictures into frames and tokenises it.
/// `team`, where there is one, shares the resizing. Thread-safe without one.
/// Errors: kContextExceeded when no room is left for an answer, kInvalidArgument, kInvalidModel (the
/// tokenizer does not make the image token).
Result<Prompt> make_prompt(const models::smolvlm::Config& config, const text::Tokenizer& tokenizer,
                           std::span<const Turn> turns, Detail detail = Detail::kFull,
                           WorkerTeam* team = nullptr);

}  // namespace fovea::engine
