#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/generator.h"

namespace fovea::engine {

Result<Score> Generator::score(std::span<const image::Image> pictures, std::string_view prompt,
                               std::span<const std::int32_t> answer) {
  const auto& text_model = model().text();
  const std::size_t hidden_size = config().text.hidden_size;
  const std::size_t vocab_size = config().text.vocab_size;
  for (const std::int32_t id : answer) {
    if (id >= 0 && static_cast<std::size_t>(id) < vocab_size) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the answer holds token {}, expected 0 to {}", id, vocab_size - 1));
  }
  FOVEA_TRY(const Prompt input, build_prompt(pictures, prompt));
  Score result{.prompt_tokens = input.ids.size(), .image_features = {}, .logits = {}};
  // The last token is predicted, never read.
  const std::size_t tokens = input.ids.size() + std::max<std::size_t>(answer.size(), 1) - 1;
  if (tokens >= config().text.max_position_embeddings) {
    return fail(ErrorCode::kContextExceeded,
                fmt::format("the prompt with its pictures and the answer are {} tokens long, the model's "
                            "context is {}",
                            tokens, config().text.max_position_embeddings));
  }

  result.image_features = encode_frames(input, nullptr);
  std::vector<float> hidden = embed(input.ids, result.image_features);
  hidden.resize(tokens * hidden_size);
  for (std::size_t i = 0; i + 1 < answer.size(); ++i) {
    text_model.embed(answer[i], hidden.data() + (input.ids.size() + i) * hidden_size);
  }
  models::smolvlm::Cache cache = text_model.make_cache(tokens);
  text_model.forward(compute(), hidden.data(), tokens, cache);
  result.logits.resize(answer.size() * vocab_size);
  text_model.logits(compute(), hidden.data() + (input.ids.size() - 1) * hidden_size, answer.size(),
                    result.logits.data());
  return result;
}

}  // namespace fovea::engine
