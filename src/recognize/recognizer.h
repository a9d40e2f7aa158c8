#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "image/decode.h"
#include "recognize/backend.h"

namespace fovea::recognize {

/// Reads pictures with one loaded model: decode, ask the task's question, check the answer's form.
/// Not thread-safe: one picture at a time.
class Recognizer {
 public:
  /// Loads the checkpoint in `directory`. Errors: as engine::Generator::open.
  static Result<std::unique_ptr<Recognizer>> open(const std::filesystem::path& directory,
                                                  const engine::GeneratorOptions& options,
                                                  const image::DecodeLimits& limits = {});

  Recognition recognize(const Request& request);
  [[nodiscard]] const ModelInfo& model() const { return model_; }

 private:
  Recognizer(std::unique_ptr<engine::Generator> generator, ModelInfo model, const image::DecodeLimits& limits)
      : generator_(std::move(generator)), model_(std::move(model)), limits_(limits) {}

  Result<nlohmann::ordered_json> read_fields(const Request& request, Timings& timings);

  std::unique_ptr<engine::Generator> generator_;
  ModelInfo model_;
  image::DecodeLimits limits_;
};

}  // namespace fovea::recognize
