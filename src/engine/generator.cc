#include "engine/generator.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "engine/scheduler.h"
#include "image/tiling.h"

namespace fovea::engine {

Result<std::unique_ptr<Generator>> Generator::open(const std::filesystem::path& directory,
                                                   const GeneratorOptions& options) {
  FOVEA_TRY(auto loaded, LoadedModel::open(directory, options));
  return std::unique_ptr<Generator>(new Generator(std::move(loaded)));
}

Result<Generated> Generator::generate(std::span<const image::Image> pictures, std::string_view prompt,
                                      const GenerateOptions& options) {
  Generated result;
  const Stopwatch watch;
  GenerationRequest request;
  FOVEA_TRY(request.prompt, build_prompt(pictures, prompt));
  const double image_ms = watch.elapsed_ms();
  if (options.keep_tensors) fill_tensors(request.prompt, result.tensors);
  request.max_new_tokens = options.max_new_tokens;
  request.sampling.ignore_eos = options.ignore_eos;
  request.on_done = [&result](Generation done) { static_cast<Generation&>(result) = std::move(done); };
  // One request, so nothing to keep for later ones, and pages for its whole context.
  const SchedulerOptions alone{.max_sequences = 1,
                               .key_value_bytes = static_cast<std::size_t>(-1),
                               .embedding_bytes = 0,
                               .prefix_entries = 0};
  Scheduler scheduler(model(), tokenizer(), loaded_->vocabulary(), compute(), alone);
  request.submitted = std::chrono::steady_clock::now();
  scheduler.add(std::move(request));
  while (!scheduler.idle()) scheduler.step();
  if (result.error) return std::unexpected(std::move(*result.error));
  result.image_ms = image_ms;
  return result;
}

Result<Prompt> Generator::build_prompt(std::span<const image::Image> pictures, std::string_view prompt) {
  Turn turn{.role = "user", .content = {}};
  for (const image::Image& picture : pictures) turn.content.emplace_back(&picture);
  turn.content.emplace_back(std::string(prompt));
  return make_prompt(config(), tokenizer(), {&turn, 1}, Detail::kFull, &loaded_->compute().team);
}

void Generator::fill_tensors(const Prompt& prompt, GenerationTensors& tensors) {
  const auto features = encode_frames(prompt, &tensors);
  std::vector<float> hidden = embed(prompt.ids, features);
  models::smolvlm::Cache cache = model().text().make_cache(prompt.ids.size());
  model().text().forward(compute(), hidden.data(), prompt.ids.size(), cache);
  tensors.logits.resize(prompt.ids.size() * config().text.vocab_size);
  model().text().logits(compute(), hidden.data(), prompt.ids.size(), tensors.logits.data());
}

std::vector<float> Generator::encode_frames(const Prompt& prompt, GenerationTensors* tensors) {
  const auto& frames = prompt.frames;
  const std::size_t side = config().vision.image_size;
  const std::size_t frame_pixels = 3 * side * side;
  const std::size_t frame_features = config().tokens_per_frame() * config().text.hidden_size;
  const std::size_t batch = model().vision().frames_per_batch();
  std::vector<float> features(frames.size() * frame_features);
  std::vector<float> pixels(std::min(batch, frames.size()) * frame_pixels);
  models::smolvlm::VisionTower::Workspace workspace;
  for (std::size_t first = 0; first < frames.size(); first += batch) {
    const std::size_t count = std::min(batch, frames.size() - first);
    compute().team.parallel_for(count, [&](std::size_t i) {
      image::normalize_frame(frames[first + i]->pixels, config().tiling, pixels.data() + i * frame_pixels);
    });
    model().vision().encode(compute(), workspace, pixels.data(), count,
                            features.data() + first * frame_features);
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
      model().text().embed(ids[i], row);
    }
  }
  return hidden;
}

}  // namespace fovea::engine
