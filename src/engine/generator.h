#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/prompt.h"
#include "image/image.h"

namespace fovea::engine {

struct GenerateOptions {
  std::size_t max_new_tokens = 256;
  bool ignore_eos = false;    ///< the end-of-sequence ids are never selected
  bool keep_tensors = false;  ///< compute the intermediate values too
};

/// Intermediate values, for comparison with a reference.
struct GenerationTensors {
  std::vector<float> pixel_values;    ///< [frames, 3, image_size, image_size]
  std::vector<float> image_features;  ///< [frames, tokens_per_frame, hidden_size]
  std::vector<float> logits;          ///< [prompt_tokens, vocab_size]
  std::size_t frames = 0;
};

struct Generated : Generation {
  GenerationTensors tensors;
};

/// What a model says at every step of an answer that it is given.
struct Score {
  std::size_t prompt_tokens = 0;      ///< after image expansion
  std::vector<float> image_features;  ///< [frames, tokens_per_frame, hidden_size]
  std::vector<float> logits;          ///< [answer, vocab_size]: row i predicts token i of the answer
};

/// One model answering one question at a time on its caller's thread, for tools. Every answer is computed
/// from scratch by a scheduler of its own (scheduler.h), as a server computes it. Not thread-safe.
class Generator {
 public:
  /// Loads a Hugging Face directory. Errors: kNotFound, kIo, kInvalidModel, kUsage (FOVEA_ISA).
  static Result<std::unique_ptr<Generator>> open(const std::filesystem::path& directory,
                                                 const GeneratorOptions& options);

  /// Greedy answer to one user turn: the pictures, then the prompt.
  /// Errors: kContextExceeded when the prompt leaves no room for an answer, kInvalidArgument.
  Result<Generated> generate(std::span<const image::Image> pictures, std::string_view prompt,
                             const GenerateOptions& options);

  /// Teacher forcing: what the model predicts for each token of `answer`, given the pictures, the prompt and
  /// the tokens of the answer before it, all in one pass. Errors: kContextExceeded when the answer has no
  /// room, kInvalidArgument (an id outside the vocabulary among others).
  Result<Score> score(std::span<const image::Image> pictures, std::string_view prompt,
                      std::span<const std::int32_t> answer);

  [[nodiscard]] const models::smolvlm::Config& config() const { return loaded_->config(); }
  [[nodiscard]] const text::Tokenizer& tokenizer() const { return loaded_->tokenizer(); }
  /// Shows every product's input to `observer`, which outlives the generator or is taken away with null.
  void observe(nn::InputObserver* observer) { loaded_->compute().observer = observer; }
  /// The parts that generate() works with, for measuring them alone; not while generate() runs.
  [[nodiscard]] const models::smolvlm::Model& model() const { return loaded_->model(); }
  [[nodiscard]] const nn::Compute& compute() const { return loaded_->compute(); }
  /// Gives the model away, to an Engine say: the last call to this generator.
  [[nodiscard]] std::unique_ptr<LoadedModel> release() { return std::move(loaded_); }

 private:
  explicit Generator(std::unique_ptr<LoadedModel> loaded) : loaded_(std::move(loaded)) {}

  Result<Prompt> build_prompt(std::span<const image::Image> pictures, std::string_view prompt);
  std::vector<float> encode_frames(const Prompt& prompt, GenerationTensors* tensors);
  std::vector<float> embed(std::span<const std::int32_t> ids, std::span<const float> image_features) const;
  void fill_tensors(const Prompt& prompt, GenerationTensors& tensors);

  std::unique_ptr<LoadedModel> loaded_;
};

}  // namespace fovea::engine
