#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/worker_team.h"
#include "image/image.h"
#include "models/smolvlm/model.h"
#include "nn/compute.h"
#include "text/tokenizer.h"

namespace fovea::engine {

struct GeneratorOptions {
  models::smolvlm::LoadOptions model;
  std::size_t threads = 0;  ///< 0: one for every processor this process may use
  Pinning pinning = Pinning::kWholeMachine;
  bool lock_memory = false;  ///< keep the weights in memory
  bool huge_pages = false;   ///< under the weights, where the system can
  /// Told, in a sentence, when the system refuses one of the two; the model works without.
  std::function<void(const std::string&)> warn = {};
};

struct GenerateOptions {
  std::size_t max_new_tokens = 256;
  bool ignore_eos = false;    ///< the end-of-sequence ids are never selected
  bool keep_tensors = false;  ///< fill Generation::tensors
};

/// Intermediate values, for comparison with a reference.
struct GenerationTensors {
  std::vector<float> pixel_values;    ///< [frames, 3, image_size, image_size]
  std::vector<float> image_features;  ///< [frames, tokens_per_frame, hidden_size]
  std::vector<float> logits;          ///< [prompt_tokens, vocab_size]
  std::size_t frames = 0;
};

struct Generation {
  std::size_t prompt_tokens = 0;        ///< after image expansion
  std::vector<std::int32_t> token_ids;  ///< the new tokens, the end-of-sequence token included
  std::string text;                     ///< special tokens left out, not stripped
  bool stopped = false;                 ///< an end-of-sequence token ended it, not the limit
  double image_ms = 0, vision_ms = 0, prefill_ms = 0, decode_ms = 0;
  GenerationTensors tensors;
};

/// What a model says at every step of an answer that it is given.
struct Score {
  std::size_t prompt_tokens = 0;      ///< after image expansion
  std::vector<float> image_features;  ///< [frames, tokens_per_frame, hidden_size]
  std::vector<float> logits;          ///< [answer, vocab_size]: row i predicts token i of the answer
};

/// One model with its tokenizer and threads, answering one question at a time. Not thread-safe.
class Generator {
 public:
  /// Loads a Hugging Face directory. Errors: kNotFound, kIo, kInvalidModel, kUsage (FOVEA_ISA).
  static Result<std::unique_ptr<Generator>> open(const std::filesystem::path& directory,
                                                 const GeneratorOptions& options);

  /// Greedy answer to one user turn: the pictures, then the prompt.
  /// Errors: kContextExceeded when the prompt leaves no room for an answer, kInvalidArgument.
  Result<Generation> generate(std::span<const image::Image> pictures, std::string_view prompt,
                              const GenerateOptions& options);

  /// Teacher forcing: what the model predicts for each token of `answer`, given the pictures, the prompt and
  /// the tokens of the answer before it, all in one pass. Errors: kContextExceeded when the answer has no
  /// room, kInvalidArgument (an id outside the vocabulary among others).
  Result<Score> score(std::span<const image::Image> pictures, std::string_view prompt,
                      std::span<const std::int32_t> answer);

  [[nodiscard]] const models::smolvlm::Config& config() const { return model_->config(); }
  [[nodiscard]] const text::Tokenizer& tokenizer() const { return tokenizer_; }
  /// Shows every product's input to `observer`, which outlives the generator or is taken away with null.
  void observe(nn::InputObserver* observer) { compute_.observer = observer; }
  /// The parts that generate() works with, for measuring them alone; not while generate() runs.
  [[nodiscard]] const models::smolvlm::Model& model() const { return *model_; }
  [[nodiscard]] const nn::Compute& compute() const { return compute_; }

 private:
  Generator(std::unique_ptr<models::smolvlm::Model> model, text::Tokenizer tokenizer,
            const kernels::Kernels& kernels, const GeneratorOptions& options);

  struct Prompt {
    std::vector<std::int32_t> ids;
    std::vector<image::Image> frames;
  };
  /// kContextExceeded unless a prompt of so many tokens leaves room for an answer.
  [[nodiscard]] Result<void> check_context(std::size_t prompt_tokens) const;
  Result<Prompt> build_prompt(std::span<const image::Image> pictures, std::string_view prompt);
  std::vector<float> encode_frames(std::span<const image::Image> frames, GenerationTensors* tensors);
  std::vector<float> embed(std::span<const std::int32_t> ids, std::span<const float> image_features) const;
  [[nodiscard]] bool is_eos(std::int32_t id) const {
    return std::ranges::count(config().eos_token_ids, id) != 0;
  }
  std::int32_t select(std::span<const float> logits, bool ignore_eos) const;

  std::unique_ptr<models::smolvlm::Model> model_;
  text::Tokenizer tokenizer_;
  WorkerTeam team_;
  nn::Compute compute_;
};

}  // namespace fovea::engine
