#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "grammar/token_grammar.h"
#include "image/decode.h"
#include "recognize/reader.h"

namespace fovea::recognize {

/// A vision-language model: answers are written token by token, held to the task's schema; a task with labels
/// is answered by the likelihood of every label.
class LanguageReader : public Reader {
 public:
  LanguageReader(ModelInfo model, std::unique_ptr<engine::LoadedModel> loaded,
                 const engine::EngineOptions& options, const image::DecodeLimits& limits);

  [[nodiscard]] const ModelInfo& model() const override { return model_; }
  Result<void> learn(const tasks::Task& task) override;
  [[nodiscard]] std::map<std::string, std::string> parameters() const override;
  /// A picture that is cut into tiles can be looked at as one frame.
  [[nodiscard]] bool can_glance(const image::Image& picture) const override;
  void read(ReadRequest request, ReadingDone done) override;
  void chat(ChatRequest request, ChatListener listener) override;
  [[nodiscard]] std::size_t capacity() const override { return capacity_; }
  [[nodiscard]] int retry_after_s() const override { return engine_->retry_after_s(); }
  [[nodiscard]] nlohmann::ordered_json stats() const override;
  void stop() override { engine_->stop(); }

 private:
  /// What an answer may be, in the model's tokens.
  struct Form {
    grammar::TokenGrammar::Pointer grammar;               // null for labels
    std::vector<std::vector<std::int32_t>> label_tokens;  // of each label; empty for fields
  };

  const ModelInfo model_;
  const image::DecodeLimits limits_;
  const std::size_t capacity_;
  std::map<const tasks::Task*, Form> forms_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace fovea::recognize
