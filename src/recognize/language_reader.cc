#include "recognize/language_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/shorten.h"
#include "image/tiling.h"
#include "recognize/confidence.h"

namespace fovea::recognize {
namespace {

void read_fields(const tasks::Task& task, const engine::Generation& generation, Reading& reading) {
  if (generation.finish_reason == engine::FinishReason::kLength) {
    reading.error = Error{ErrorCode::kInvalidOutput,
                          fmt::format("the model's answer did not end within {} tokens; it begins: {}",
                                      generation.token_ids.size(),
                                      nlohmann::json(shorten(generation.text, 120))
                                          .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))};
    return;
  }
  auto fields = tasks::parse_answer(task, generation.text);
  if (!fields) {
    reading.error = std::move(fields).error();
    return;
  }
  reading.fields = std::move(*fields);
  const auto logprobs = member_logprobs(generation.text, generation.tokens);
  for (const tasks::Field& field : task.fields) {
    const auto found = logprobs.find(field.name);
    if (found != logprobs.end()) reading.logprobs.emplace_back(field.name, found->second);
  }
}

/// The labels' likelihoods, made to add up to one: a probability that depends on no order.
void read_labels(const tasks::Task& task, const engine::Generation& generation, Reading& reading) {
  const auto& logprobs = generation.choice_logprobs;
  const std::size_t best = static_cast<std::size_t>(std::ranges::max_element(logprobs) - logprobs.begin());
  double total = 0;
  for (const double logprob : logprobs) total += std::exp(logprob - logprobs[best]);
  reading.probabilities = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < logprobs.size(); ++i) {
    reading.probabilities[task.labels[i].name] = std::exp(logprobs[i] - logprobs[best]) / total;
  }
  reading.fields[tasks::kLabelField] = task.labels[best].name;
  reading.logprobs.emplace_back(tasks::kLabelField, -std::log(total));
}

}  // namespace

LanguageReader::LanguageReader(ModelInfo model, std::unique_ptr<engine::LoadedModel> loaded,
                               const engine::EngineOptions& options, const image::DecodeLimits& limits)
    : model_(std::move(model)),
      limits_(limits),
      capacity_(options.max_waiting + options.scheduler.max_sequences),
      engine_(std::make_unique<engine::Engine>(std::move(loaded), options)) {}

Result<void> LanguageReader::learn(const tasks::Task& task) {
  Form form;
  if (task.kind == tasks::Kind::kFields) {
    FOVEA_TRY(form.grammar, engine_->grammars().from_schema_text(task.json_schema().dump()));
  }
  for (const tasks::Label& label : task.labels) {
    // Behind "Assistant:" an answer begins with a space, as the chat template writes one.
    const std::string text = " " + label.name;
    auto tokens = engine_->tokenizer().encode(text);
    if (engine_->tokenizer().decode(tokens, /*skip_special=*/true) != text) {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("the tokenizer of {} cannot spell the label \"{}\"", model_.id, label.name));
    }
    form.label_tokens.push_back(std::move(tokens));
  }
  forms_[&task] = std::move(form);
  return {};
}

std::map<std::string, std::string> LanguageReader::parameters() const {
  const models::smolvlm::Model& model = engine_->model();
  std::map<std::string, std::string> parameters{{"precision", nn::precision_name(model.precision())}};
  // Without the usual ones: answers that were stored before there was a choice stay what they are.
  if (model.text().key_value_type() == nn::KeyValueType::kInt8) parameters["key_values"] = "int8";
  return parameters;
}

bool LanguageReader::can_glance(const image::Image& picture) const {
  if (picture.width < 1 || picture.height < 1) return false;
  return image::plan_tiles({picture.width, picture.height}, engine_->config().tiling).frames() > 1;
}

void LanguageReader::read(ReadRequest request, ReadingDone done) {
  const tasks::Task& task = *request.task;
  const Form& form = forms_.at(&task);
  const Stopwatch watch;
  engine::Turn turn{.role = "user", .content = {}};
  turn.content.emplace_back(&request.picture);
  turn.content.emplace_back(task.prompt);
  auto prompt =
      engine_->prepare({&turn, 1}, request.glance ? engine::Detail::kGlance : engine::Detail::kFull);
  Reading reading;
  reading.timings.image_ms = watch.elapsed_ms();
  if (!prompt) {
    reading.error = std::move(prompt).error();
    return done(std::move(reading));
  }
  engine::GenerationRequest generation;
  generation.prompt = std::move(*prompt);
  generation.sampling.logprobs = true;
  generation.max_new_tokens = task.max_new_tokens;
  generation.grammar = form.grammar;
  generation.choices = form.label_tokens;
  generation.priority = request.priority;
  generation.deadline = request.deadline;
  generation.stop = std::move(request.stop);
  generation.on_done = [&task, reading = std::move(reading),
                        done = std::move(done)](engine::Generation finished) mutable {
    reading.timings.queue_ms = finished.queue_ms;
    reading.timings.vision_ms = finished.vision_ms;
    reading.timings.prefill_ms = finished.prefill_ms;
    reading.timings.decode_ms = finished.decode_ms;
    if (finished.error) {
      reading.error = std::move(finished.error);
    } else if (task.kind == tasks::Kind::kLabels) {
      read_labels(task, finished, reading);
    } else {
      read_fields(task, finished, reading);
    }
    done(std::move(reading));
  };
  engine_->submit(std::move(generation));
}

nlohmann::ordered_json LanguageReader::stats() const {
  const engine::EngineStatistics engine = engine_->statistics();
  const auto waiting = [&](engine::Priority priority) {
    return engine.waiting_of[static_cast<std::size_t>(priority)];
  };
  return {{"queue",
           {{"waiting",
             {{"high", waiting(engine::Priority::kHigh)},
              {"normal", waiting(engine::Priority::kNormal)},
              {"batch", waiting(engine::Priority::kBatch)}}},
            {"running", engine.running},
            {"refused", engine.refused}}},
          {"model", {{model_.id, {{"resident_bytes", engine_->model().weight_bytes()}}}}},
          {"kv",
           {{"type", nn::key_value_type_name(engine_->model().text().key_value_type())},
            {"used_bytes", (engine.pages - engine.pages_free) * engine.page_bytes},
            {"budget_bytes", engine.pages * engine.page_bytes}}},
          {"vision",
           {{"tiles", engine.frames_encoded + engine.frames_reused},
            {"reused_tiles", engine.frames_reused},
            {"cache_bytes", engine.embedding_bytes}}},
          {"prefix", {{"reused_tokens", engine.cached_tokens}, {"entries", engine.prefix_entries}}},
          {"tokens",
           {{"prompt", engine.prompt_tokens},
            {"generated", engine.generated_tokens},
            {"decode_steps", engine.decode_steps}}},
          {"batches", {{"text", engine.text_batches}, {"rows", engine.text_rows}}}};
}

}  // namespace fovea::recognize
