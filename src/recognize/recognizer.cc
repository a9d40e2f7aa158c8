#include "recognize/recognizer.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/request_id.h"
#include "base/shorten.h"
#include "recognize/judge.h"
#include "registry/locate.h"
#include "tasks/task.h"

namespace fovea::recognize {

Result<std::unique_ptr<Recognizer>> Recognizer::open(const std::filesystem::path& directory,
                                                     const engine::GeneratorOptions& options,
                                                     const image::DecodeLimits& limits,
                                                     std::shared_ptr<const tasks::TaskSet> tasks) {
  FOVEA_TRY(auto generator, engine::Generator::open(directory, options));
  FOVEA_TRY(std::string version, registry::model_version(directory));
  ModelInfo model{.id = registry::model_name(directory), .version = std::move(version)};
  return std::unique_ptr<Recognizer>(
      new Recognizer(std::move(generator), std::move(model), limits, std::move(tasks)));
}

bool Recognizer::has_task(const std::string& task) const {
  return tasks_->find(task) != nullptr;
}

Recognition Recognizer::recognize(const Request& request) {
  const Stopwatch watch;
  Recognition recognition;
  recognition.request_id = request.request_id.empty() ? make_request_id() : request.request_id;
  recognition.file = request.file;
  recognition.task = request.task;
  recognition.model = model_.id;
  recognition.model_version = model_.version;
  recognition.rule = "single";
  recognition.why = "the only model that is loaded";
  if (const auto task = tasks_->require(request.task, ErrorCode::kInvalidArgument); !task) {
    recognition.error = task.error();
  } else if (auto fields = read_fields(**task, request, recognition.timings); !fields) {
    recognition.error = std::move(fields).error();
  } else {
    recognition.fields = std::move(*fields);
    judge(**task, catalogue_.get(), recognition);
  }
  recognition.timings.total_ms = watch.elapsed_ms();
  return recognition;
}

Result<nlohmann::ordered_json> Recognizer::read_fields(const tasks::Task& task, const Request& request,
                                                       Timings& timings) {
  Stopwatch watch;
  FOVEA_TRY(const image::Image picture, image::decode_image(request.bytes, limits_));
  const double decode_image_ms = watch.lap_ms();
  FOVEA_TRY(const engine::Generation generation,
            generator_->generate({&picture, 1}, task.prompt, {.max_new_tokens = task.max_new_tokens}));
  timings.image_ms = decode_image_ms + generation.image_ms;
  timings.vision_ms = generation.vision_ms;
  timings.prefill_ms = generation.prefill_ms;
  timings.decode_ms = generation.decode_ms;
  if (!generation.stopped) {
    return fail(
        ErrorCode::kInvalidOutput,
        fmt::format("the model's answer did not end within {} tokens; it begins: {}",
                    generation.token_ids.size(), nlohmann::json(shorten(generation.text, 120)).dump()));
  }
  return tasks::parse_answer(task, generation.text);
}

}  // namespace fovea::recognize
