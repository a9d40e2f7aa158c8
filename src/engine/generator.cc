#include "engine/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/memory.h"
#include "image/tiling.h"
#include "models/smolvlm/prompt.h"
#include "text/chat_template.h"

namespace fovea::engine {

using models::smolvlm::Cache;
using models::smolvlm::Grid;
using models::smolvlm::Model;

Generator::Generator(std::unique_ptr<Model> model, text::Tokenizer tokenizer, const kernels::Kernels& kernels,
                     const GeneratorOptions& options)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      team_(options.threads, options.pinning),
      compute_{kernels, team_} {}

Result<std::unique_ptr<Generator>> Generator::open(const std::filesystem::path& directory,
                                                   const GeneratorOptions& options) {
  FOVEA_TRY(const kernels::Kernels* kernels, kernels::active_kernels());
  FOVEA_TRY(auto model, Model::load(directory, options.model));
  FOVEA_TRY(text::Tokenizer tokenizer, text::Tokenizer::load(directory));
  const std::size_t vocab_size = model->config().text.vocab_size;
  if (static_cast<std::size_t>(tokenizer.size()) > vocab_size) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: tokenizer.json has ids up to {}, config.json says vocab_size {}",
                            directory.string(), tokenizer.size() - 1, vocab_size));
  }
  const auto tell = [&](const auto& done) {
    if (!done && options.warn) options.warn(done.error().message);
  };
  if (options.huge_pages) tell(use_huge_pages());
  if (options.lock_memory) tell(lock_memory());
  return std::unique_ptr<Generator>(new Generator(std::move(model), std::move(tokenizer), *kernels, options));
}

Result<Generation> Generator::generate(std::span<const image::Image> pictures, std::string_view prompt,
                                       const GenerateOptions& options) {
  const auto& text_model = model_->text();
  const std::size_t hidden_size = config().text.hidden_size;
  const std::size_t vocab_size = config().text.vocab_size;
  Generation result;
  Stopwatch watch;

  FOVEA_TRY(const Prompt input, build_prompt(pictures, prompt));
  const std::size_t prompt_tokens = input.ids.size();
  const std::size_t context = config().text.max_position_embeddings;
  FOVEA_CHECK_OK(check_context(prompt_tokens));
  result.prompt_tokens = prompt_tokens;
  result.image_ms = watch.lap_ms();

  const auto features = encode_frames(input.frames, options.keep_tensors ? &result.tensors : nullptr);
  result.vision_ms = watch.lap_ms();

  const std::size_t limit = std::min(options.max_new_tokens, context - prompt_tokens);
  Cache cache = text_model.make_cache(prompt_tokens + limit);
  std::vector<float> hidden = embed(input.ids, features);
  text_model.forward(compute_, hidden.data(), prompt_tokens, cache);
  std::vector<float> logits(vocab_size);
  text_model.logits(compute_, hidden.data() + (prompt_tokens - 1) * hidden_size, 1, logits.data());
  if (options.keep_tensors) {
    result.tensors.logits.resize(prompt_tokens * vocab_size);
    text_model.logits(compute_, hidden.data(), prompt_tokens, result.tensors.logits.data());
  }
  result.prefill_ms = watch.lap_ms();

  while (result.token_ids.size() < limit) {
    const std::int32_t next = select(logits, options.ignore_eos);
    result.token_ids.push_back(next);
    result.stopped = is_eos(next);
    if (result.stopped || result.token_ids.size() == limit) break;
    text_model.embed(next, hidden.data());
    text_model.forward(compute_, hidden.data(), 1, cache);
    text_model.logits(compute_, hidden.data(), 1, logits.data());
  }
  result.text = tokenizer_.decode(result.token_ids, /*skip_special=*/true);
  result.decode_ms = watch.lap_ms();
  return result;
}

Result<void> Generator::check_context(std::size_t prompt_tokens) const {
  const std::size_t context = config().text.max_position_embeddings;
  if (prompt_tokens < context) return {};
  return fail(
      ErrorCode::kContextExceeded,
      fmt::format("the prompt with its pictures is at least {} tokens long, the model's context is {}; "
                  "ask for less or send a smaller picture",
                  prompt_tokens, context));
}

Result<Generator::Prompt> Generator::build_prompt(std::span<const image::Image> pictures,
                                                  std::string_view prompt) {
  text::ChatMessage turn{.role = "user", .content = {}};
  Prompt result;
  std::vector<Grid> grids;
  std::size_t frames = 0;
  for (const image::Image& picture : pictures) {
    // Before any tile is made: a hostile configuration can ask for millions of them.
    if (picture.width > 0 && picture.height > 0) {
      frames += static_cast<std::size_t>(
          image::plan_tiles({picture.width, picture.height}, config().tiling).frames());
    }
    FOVEA_CHECK_OK(check_context(frames * config().tokens_per_frame()));
    FOVEA_TRY(image::TiledImage tiled, image::tile_image(picture, config().tiling, &team_));
    grids.push_back({tiled.rows, tiled.columns});
    std::ranges::move(tiled.frames, std::back_inserter(result.frames));
    turn.content.emplace_back(text::ImageItem{});
  }
  turn.content.emplace_back(std::string(prompt));
  const std::string chat = text::render_smolvlm_chat({turn}, /*add_generation_prompt=*/true);
  FOVEA_TRY(const std::string expanded,
            models::smolvlm::expand_image_prompt(chat, grids, config().tokens_per_frame()));
  result.ids = tokenizer_.encode(expanded);

  const auto image_tokens = static_cast<std::size_t>(std::ranges::count(result.ids, config().image_token_id));
  if (image_tokens != result.frames.size() * config().tokens_per_frame()) {
    return fail(
        ErrorCode::kInvalidModel,
        fmt::format(
            "the prompt came out with {} image tokens for {} frames of {}: tokenizer.json does not make "
            "\"<image>\" the image_token_id {}",
            image_tokens, result.frames.size(), config().tokens_per_frame(), config().image_token_id));
  }
  return result;
}

std::vector<float> Generator::encode_frames(std::span<const image::Image> frames,
                                            GenerationTensors* tensors) {
  const std::size_t side = config().vision.image_size;
  const std::size_t frame_pixels = 3 * side * side;
  const std::size_t frame_features = config().tokens_per_frame() * config().text.hidden_size;
  const std::size_t batch = model_->vision().frames_per_batch();
  std::vector<float> features(frames.size() * frame_features);
  std::vector<float> pixels(std::min(batch, frames.size()) * frame_pixels);
  for (std::size_t first = 0; first < frames.size(); first += batch) {
    const std::size_t count = std::min(batch, frames.size() - first);
    team_.parallel_for(count, [&](std::size_t i) {
      image::normalize_frame(frames[first + i], config().tiling, pixels.data() + i * frame_pixels);
    });
    model_->vision().encode(compute_, pixels.data(), count, features.data() + first * frame_features);
    if (tensors != nullptr) {
      tensors->pixel_values.insert(tensors->pixel_values.end(), pixels.begin(),
                                   pixels.begin() + static_cast<std::ptrdiff_t>(count * frame_pixels));
    }
  }
  if (tensors != nullptr) {
    tensors->frames = frames.size();
    tensors->image_features = features;
  }
  return features;
}

std::vector<float> Generator::embed(std::span<const std::int32_t> ids,
                                    std::span<const float> image_features) const {
  const std::size_t hidden_size = config().text.hidden_size;
  std::vector<float> hidden(ids.size() * hidden_size);
  std::size_t next_feature = 0;  // the k-th image token takes the k-th feature
  for (std::size_t i = 0; i < ids.size(); ++i) {
    float* row = hidden.data() + i * hidden_size;
    if (ids[i] == config().image_token_id) {
      std::copy_n(image_features.data() + next_feature++ * hidden_size, hidden_size, row);
    } else {
      model_->text().embed(ids[i], row);
    }
  }
  return hidden;
}

std::int32_t Generator::select(std::span<const float> logits, bool ignore_eos) const {
  std::optional<std::int32_t> best;
  float highest = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if (ignore_eos && is_eos(id)) continue;
    // A logit that is not a number (damaged weights) is never the highest; where all are, the first id is.
    if (best && !(logits[i] > highest)) continue;
    best = id;
    highest = std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
  }
  return best.value_or(0);
}

}  // namespace fovea::engine
