#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/generator.h"
#include "image/decode.h"
#include "recognize/recognition.h"
#include "tasks/task_set.h"

namespace fovea::recognize {

/// Reads pictures with one loaded model: decode, ask the task's question, check the answer's form.
/// Not thread-safe: one picture at a time.
class Recognizer : public Backend {
 public:
  /// Loads the checkpoint in `directory`. Errors: as engine::Generator::open.
  static Result<std::unique_ptr<Recognizer>> open(
      const std::filesystem::path& directory, const engine::GeneratorOptions& options,
      const image::DecodeLimits& limits = {},
      std::shared_ptr<const tasks::TaskSet> tasks = tasks::builtin_tasks());

  /// Compares what is read from now on with a catalogue.
  void use_catalogue(std::shared_ptr<catalog::Catalog> catalogue) { catalogue_ = std::move(catalogue); }

  Recognition recognize(const Request& request) override;
  [[nodiscard]] std::vector<ModelInfo> models() const override { return {model_}; }
  [[nodiscard]] bool has_task(const std::string& task) const override;

 private:
  Recognizer(std::unique_ptr<engine::Generator> generator, ModelInfo model, const image::DecodeLimits& limits,
             std::shared_ptr<const tasks::TaskSet> tasks)
      : generator_(std::move(generator)),
        model_(std::move(model)),
        limits_(limits),
        tasks_(std::move(tasks)) {}

  Result<nlohmann::ordered_json> read_fields(const tasks::Task& task, const Request& request,
                                             Timings& timings);

  std::unique_ptr<engine::Generator> generator_;
  ModelInfo model_;
  image::DecodeLimits limits_;
  std::shared_ptr<const tasks::TaskSet> tasks_;
  std::shared_ptr<catalog::Catalog> catalogue_;  // null: none
};

}  // namespace fovea::recognize
