#include "engine/loaded_model.h"

#include <fmt/format.h>

#include <utility>

#include "base/memory.h"

namespace fovea::engine {

using models::smolvlm::Model;

LoadedModel::LoadedModel(std::unique_ptr<Model> model, text::Tokenizer tokenizer,
                         const kernels::Kernels& kernels, const GeneratorOptions& options)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      vocabulary_(std::make_shared<const grammar::TokenVocabulary>(tokenizer_, config().eos_token_ids,
                                                                   config().text.vocab_size)),
      team_(options.threads, options.pinning),
      compute_{kernels, team_} {}

Result<std::unique_ptr<LoadedModel>> LoadedModel::open(const std::filesystem::path& directory,
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
  return std::unique_ptr<LoadedModel>(
      new LoadedModel(std::move(model), std::move(tokenizer), *kernels, options));
}

}  // namespace fovea::engine
