#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/worker_team.h"
#include "grammar/vocabulary.h"
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

/// A model with its tokenizer and the threads that compute it. One thread computes at a time.
class LoadedModel {
 public:
  /// Loads a Hugging Face directory. Errors: kNotFound, kIo, kInvalidModel, kUsage (FOVEA_ISA).
  static Result<std::unique_ptr<LoadedModel>> open(const std::filesystem::path& directory,
                                                   const GeneratorOptions& options);

  [[nodiscard]] const models::smolvlm::Model& model() const { return *model_; }
  [[nodiscard]] const models::smolvlm::Config& config() const { return model_->config(); }
  [[nodiscard]] const text::Tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] const grammar::TokenVocabulary::Pointer& vocabulary() const { return vocabulary_; }
  [[nodiscard]] nn::Compute& compute() { return compute_; }

 private:
  LoadedModel(std::unique_ptr<models::smolvlm::Model> model, text::Tokenizer tokenizer,
              const kernels::Kernels& kernels, const GeneratorOptions& options);

  std::unique_ptr<models::smolvlm::Model> model_;
  text::Tokenizer tokenizer_;
  grammar::TokenVocabulary::Pointer vocabulary_;
  WorkerTeam team_;
  nn::Compute compute_;
};

}  // namespace fovea::engine
