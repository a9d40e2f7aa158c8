#include "recognize/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <future>
#include <utility>

#include "base/clock.h"
#include "base/request_id.h"
#include "base/shorten.h"
#include "recognize/confidence.h"
#include "recognize/judge.h"
#include "registry/locate.h"

namespace fovea::recognize {

/// One recognition on its way. Touched by one thread at a time: each station hands it to the next.
struct Service::Job {
  Request request;
  RecognitionDone done;
  const TaskPlan* plan = nullptr;
  Recognition answer;
  image::Image picture;
  std::optional<cache::Key> upload;  // of the bytes; set where answers are looked up
  std::optional<cache::Key> key;     // of the pixels; set where answers are stored or looked up
  Stopwatch watch;
  std::optional<std::stop_callback<std::function<void()>>> leaves;  // while it shares a computation
};

/// What is computed of a picture, apart from who asked: others may wait for it when the one who began is
/// gone.
struct Service::Computation {
  const TaskPlan* plan;
  image::Image picture;
  std::optional<cache::Key> key;
  engine::Priority priority;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token stop;
  Recognition answer;
  Stopwatch watch;
};

Result<std::unique_ptr<Service>> Service::open(const ServiceOptions& options) {
  FOVEA_TRY(auto loaded, engine::LoadedModel::open(options.model, options.generator));
  FOVEA_TRY(std::string version, registry::model_version(options.model));
  ModelInfo model{.id = registry::model_name(options.model), .version = std::move(version)};
  auto service = std::unique_ptr<Service>(new Service(options, std::move(model), std::move(loaded)));
  FOVEA_CHECK_OK(service->plan_tasks());
  return service;
}

Service::Service(ServiceOptions options, ModelInfo model, std::unique_ptr<engine::LoadedModel> loaded)
    : options_(std::move(options)),
      model_(std::move(model)),
      flights_(timer_),
      cache_(options_.cache ? std::make_unique<cache::TieredCache>(*options_.cache) : nullptr),
      engine_(std::make_unique<engine::Engine>(std::move(loaded), options_.engine)),
      pool_(std::make_unique<TaskPool>(options_.prepare_threads)) {}

// Everyone who asked gets an answer before anything goes.
Service::~Service() {
  draining_ = true;
  engine_->stop();
  std::unique_lock lock(idle_mutex_);
  idle_.wait(lock, [&] { return pending_ == 0; });
}

void Service::answered() {
  const std::lock_guard lock(idle_mutex_);
  --pending_;
  idle_.notify_all();
}

Result<void> Service::plan_tasks() {
  for (const std::string& name : options_.tasks->names()) {
    TaskPlan plan{.task = options_.tasks->find(name),
                  .grammar = {},
                  .label_tokens = {},
                  .calibration = {},
                  .question = {},
                  .unusable = {}};
    plan.unusable = prepare(plan);
    const std::string digest = plan.task->digest();
    if (options_.calibrated) {
      FOVEA_TRY(plan.calibration, load_calibration(options_.model, name, digest, model_.version));
    }
    plan.question = {.model = model_.id + "@" + model_.version,
                     .task = digest,
                     .parameters = {{"precision", nn::precision_name(engine_->model().precision())},
                                    {"calibration", plan.calibration.to_json().dump()}}};
    plans_.push_back(std::move(plan));
  }
  return {};
}

/// What an answer may be, in the model's tokens.
std::optional<Error> Service::prepare(TaskPlan& plan) {
  if (plan.task->kind == tasks::Kind::kFields) {
    auto grammar = engine_->grammars().from_schema_text(plan.task->json_schema().dump());
    if (!grammar) return std::move(grammar).error();
    plan.grammar = std::move(*grammar);
    return std::nullopt;
  }
  for (const tasks::Label& label : plan.task->labels) {
    // Behind "Assistant:" an answer begins with a space, as the chat template writes one.
    const std::string text = " " + label.name;
    auto tokens = engine_->tokenizer().encode(text);
    if (engine_->tokenizer().decode(tokens, /*skip_special=*/true) != text) {
      return Error{ErrorCode::kInvalidModel,
                   fmt::format("the tokenizer of {} cannot spell the label \"{}\"", model_.id, label.name)};
    }
    plan.label_tokens.push_back(std::move(tokens));
  }
  return std::nullopt;
}

std::optional<Error> Service::refusal(const Request& request) const {
  if (draining_) return Error{ErrorCode::kUnavailable, "the server is shutting down"};
  if (const auto task = options_.tasks->require(request.task, ErrorCode::kInvalidArgument); !task) {
    return task.error();
  }
  if (pending_ > options_.engine.max_waiting + options_.engine.scheduler.max_sequences) return overloaded();
  if (request.deadline && std::chrono::steady_clock::now() >= *request.deadline) {
    return Error{ErrorCode::kDeadline, "the deadline has passed already"};
  }
  return std::nullopt;
}

Error Service::overloaded() const {
  return {
      ErrorCode::kOverloaded,
      fmt::format("{} requests are under way and waiting, as many as may; try again later", pending_.load())};
}

void Service::recognize(Request request, RecognitionDone done) {
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->done = std::move(done);
  Recognition& answer = job->answer;
  answer.request_id = job->request.request_id.empty() ? make_request_id() : job->request.request_id;
  answer.file = job->request.file;
  answer.task = job->request.task;
  answer.model = model_.id;
  answer.model_version = model_.version;
  answer.rule = "single";
  answer.why = "the only model that is loaded";
  ++pending_;
  if (auto refused = refusal(job->request)) {
    answer.error = std::move(refused);
    finish(job);
    return;
  }
  job->plan =
      &*std::ranges::find(plans_, job->request.task, [](const TaskPlan& plan) { return plan.task->name; });
  if (job->plan->unusable) {
    answer.error = job->plan->unusable;
    finish(job);
    return;
  }
  if (answer_known_file(job)) return;
  pool_->run([this, job] { decode(job); });
}

/// The very bytes were answered before, and memory has the answer still: nothing is decoded, nothing waits.
bool Service::answer_known_file(const JobPointer& job) {
  if (cache_ == nullptr || job->request.cache != CacheMode::kUse) return false;
  const cache::Digest bytes = cache::digest_bytes(job->request.bytes);
  job->upload = cache::upload_key({&bytes, 1}, job->plan->question);
  const auto key = cache_->find_upload(*job->upload);
  if (!key) return false;
  const auto stored = cache_->lookup_memory(*key);
  if (stored == nullptr || !take_stored(*job, *stored, cache::Tier::kMemory)) return false;
  finish(job);
  return true;
}

void Service::decode(const JobPointer& job) {
  // It may have waited for this thread longer than its client wanted to.
  if (job->request.stop.stop_requested()) {
    job->answer.error = Error{ErrorCode::kCancelled, "the request was cancelled"};
  } else if (job->request.deadline && std::chrono::steady_clock::now() >= *job->request.deadline) {
    job->answer.error = Error{ErrorCode::kDeadline, "the deadline has passed"};
  }
  if (job->answer.error) return finish(job);
  const Stopwatch watch;
  auto picture = image::decode_image(job->request.bytes, options_.limits);
  if (!picture) {
    job->answer.error = std::move(picture).error();
    finish(job);
    return;
  }
  job->picture = std::move(*picture);
  job->answer.timings.image_ms = watch.elapsed_ms();
  if (cache_ != nullptr && job->request.cache != CacheMode::kOff) {
    const cache::Digest pixels = cache::digest_picture(job->picture);
    job->key = cache::answer_key({&pixels, 1}, job->plan->question);
    if (job->upload) cache_->remember_upload(*job->upload, *job->key);
  }
  if (job->key && job->request.cache == CacheMode::kUse) {
    look_up(job);
  } else {
    compute(computation_of(*job, job->request.stop), [this, job](Recognition answer) {
      job->answer = std::move(answer);
      pool_->run([this, job] { finish(job); });
    });
  }
}

/// Takes the picture out of the job.
Service::ComputationPointer Service::computation_of(Job& job, std::stop_token stop) {
  return std::make_shared<Computation>(Computation{.plan = job.plan,
                                                   .picture = std::exchange(job.picture, {}),
                                                   .key = job.key,
                                                   .priority = job.request.priority,
                                                   .deadline = job.request.deadline,
                                                   .stop = std::move(stop),
                                                   .answer = job.answer,
                                                   .watch = job.watch});
}

void Service::look_up(const JobPointer& job) {
  const auto deadline = job->request.deadline.value_or(cache::Clock::time_point::max());
  cache_->lookup_async(
      *job->key,
      [this, job](std::optional<cache::Hit> hit) {
        pool_->run([this, job, hit = std::move(hit)] {
          if (hit && take_stored(*job, *hit->answer, hit->tier)) {
            finish(job);
          } else {
            fly(job);
          }
        });
      },
      deadline);
}

/// Joins whoever computes the same, or computes for whoever comes. A client that leaves takes only itself
/// away: the engine stops when nobody is left.
void Service::fly(const JobPointer& job) {
  const auto deadline = job->request.deadline.value_or(cache::Clock::time_point::max());
  const std::stop_source work;
  const auto ticket = flights_.join(
      *job->key, deadline,
      [this, work, computation = computation_of(*job, work.get_token())](auto lead) {
        lead.when_unwanted([work]() mutable { work.request_stop(); });
        compute(computation,
                [lead = std::make_shared<decltype(lead)>(std::move(lead))](Recognition answer) mutable {
                  if (answer.error) {
                    lead->complete(std::unexpected(*answer.error));
                  } else {
                    lead->complete(std::make_shared<const Recognition>(std::move(answer)));
                  }
                });
      },
      [this, job](auto outcome) {
        Recognition& answer = job->answer;
        if (outcome) {
          const Recognition& shared = **outcome;
          answer.fields = shared.fields;
          answer.confidence = shared.confidence;
          answer.probabilities = shared.probabilities;
          answer.timings = shared.timings;
        } else {
          answer.error = outcome.error();
        }
        pool_->run([this, job] { finish(job); });
      });
  job->leaves.emplace(job->request.stop, [ticket] { ticket.cancel(); });
}

void Service::compute(const ComputationPointer& computation, Computed computed) {
  const TaskPlan& plan = *computation->plan;
  const Stopwatch watch;
  engine::Turn turn{.role = "user", .content = {}};
  turn.content.emplace_back(&computation->picture);
  turn.content.emplace_back(plan.task->prompt);
  auto prompt = engine_->prepare({&turn, 1});
  computation->picture = {};
  computation->answer.timings.image_ms += watch.elapsed_ms();
  if (!prompt) {
    computation->answer.error = std::move(prompt).error();
    computed(std::move(computation->answer));
    return;
  }
  engine::GenerationRequest request;
  request.prompt = std::move(*prompt);
  request.sampling.logprobs = true;
  request.max_new_tokens = plan.task->max_new_tokens;
  request.grammar = plan.grammar;
  request.choices = plan.label_tokens;
  request.priority = computation->priority;
  request.deadline = computation->deadline;
  request.stop = computation->stop;
  request.on_done = [this, computation,
                     computed = std::move(computed)](engine::Generation generation) mutable {
    read_generation(*computation, std::move(generation));
    if (computation->answer.ok()) store(*computation);
    computed(std::move(computation->answer));
  };
  engine_->submit(std::move(request));
}

void Service::read_generation(Computation& computation, engine::Generation generation) {
  const TaskPlan& plan = *computation.plan;
  Recognition& answer = computation.answer;
  Timings& timings = answer.timings;
  timings.queue_ms = generation.queue_ms;
  timings.vision_ms = generation.vision_ms;
  timings.prefill_ms = generation.prefill_ms;
  timings.decode_ms = generation.decode_ms;
  if (generation.error) {
    answer.error = std::move(generation.error);
  } else if (plan.task->kind == tasks::Kind::kLabels) {
    read_labels(plan, generation, answer);
  } else {
    read_fields(plan, generation, answer);
  }
}

void Service::read_fields(const TaskPlan& plan, engine::Generation& generation, Recognition& answer) {
  if (generation.finish_reason == engine::FinishReason::kLength) {
    answer.error = Error{ErrorCode::kInvalidOutput,
                         fmt::format("the model's answer did not end within {} tokens; it begins: {}",
                                     generation.token_ids.size(),
                                     nlohmann::json(shorten(generation.text, 120))
                                         .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))};
    return;
  }
  auto fields = tasks::parse_answer(*plan.task, generation.text);
  if (!fields) {
    answer.error = std::move(fields).error();
    return;
  }
  answer.fields = std::move(*fields);
  answer.confidence = nlohmann::ordered_json::object();
  const auto logprobs = member_logprobs(generation.text, generation.tokens);
  for (const tasks::Field& field : plan.task->fields) {
    const auto found = logprobs.find(field.name);
    if (found == logprobs.end()) continue;
    const double probability = plan.calibration.probability(field.name, found->second);
    answer.confidence[field.name] = probability;
    // What is hardly ever right is no reading: "cannot be read" is.
    if (probability < plan.task->legible && field.nullable) answer.fields[field.name] = nullptr;
  }
}

/// The labels' likelihoods, made to add up to one: a probability that depends on no order.
void Service::read_labels(const TaskPlan& plan, const engine::Generation& generation, Recognition& answer) {
  const auto& logprobs = generation.choice_logprobs;
  const std::size_t best = static_cast<std::size_t>(std::ranges::max_element(logprobs) - logprobs.begin());
  double total = 0;
  for (const double logprob : logprobs) total += std::exp(logprob - logprobs[best]);
  answer.probabilities = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < logprobs.size(); ++i) {
    answer.probabilities[plan.task->labels[i].name] = std::exp(logprobs[i] - logprobs[best]) / total;
  }
  answer.fields[tasks::kLabelField] = plan.task->labels[best].name;
  answer.confidence[tasks::kLabelField] = plan.calibration.probability(tasks::kLabelField, -std::log(total));
}

void Service::store(const Computation& computation) {
  if (!computation.key) return;
  const Recognition& answer = computation.answer;
  const nlohmann::ordered_json payload{
      {"fields", answer.fields}, {"confidence", answer.confidence}, {"probabilities", answer.probabilities}};
  cache_->store(*computation.key,
                std::make_shared<const cache::Answer>(cache::Answer{
                    .payload = payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                    .model = answer.model,
                    .model_version = answer.model_version,
                    .task = answer.task,
                    .created_ms = cache::now_ms(),
                    .latency_ms = computation.watch.elapsed_ms()}));
}

/// False where what is stored is not what this program stores: then it is computed again.
bool Service::take_stored(Job& job, const cache::Answer& stored, cache::Tier tier) const {
  const auto json = nlohmann::ordered_json::parse(stored.payload, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("fields")) return false;
  if (!tasks::check_fields(*job.plan->task, json["fields"])) return false;
  job.answer.fields = json["fields"];
  job.answer.confidence = json.value("confidence", nlohmann::ordered_json());
  job.answer.probabilities = json.value("probabilities", nlohmann::ordered_json());
  job.answer.cached = cache::tier_name(tier);
  return true;
}

void Service::finish(const JobPointer& job) {
  Recognition& answer = job->answer;
  if (answer.ok()) {
    judge(*job->plan->task, options_.catalogue.get(), answer);
    const bool fresh = !answer.cached;
    if (options_.reviews != nullptr && fresh) {
      if (const auto reason = tasks::review_reason(*job->plan->task, answer.confidence, answer.checks)) {
        // A queue that fails costs the review, never the answer.
        if (const auto added = options_.reviews->add(answer.to_json(), job->request.bytes, *reason)) {
          answer.review_id = added->id;
        }
      }
    }
  } else if (answer.error->code == ErrorCode::kOverloaded) {
    answer.retry_after_s = engine_->retry_after_s();
  }
  answer.timings.total_ms = job->watch.elapsed_ms();
  job->done(std::move(answer));
  answered();
}

Readiness Service::readiness() const {
  Readiness state{.ready = !draining_, .why = draining_ ? "the server is shutting down" : ""};
  if (cache_ != nullptr) {
    for (const auto& [tier, figures] : cache::to_json(cache_->stats()).items()) {
      state.details["cache"][tier] = {{"state", figures["state"]}};
      if (figures.contains("last_error") && figures["state"] == "down") {
        state.details["cache"][tier]["last_error"] = figures["last_error"];
      }
    }
  }
  return state;
}

nlohmann::ordered_json Service::stats() const {
  const engine::EngineStatistics engine = engine_->statistics();
  const auto flights = flights_.stats();
  nlohmann::ordered_json json{
      {"queue",
       {{"waiting", {{"all", engine.waiting}}}, {"running", engine.running}, {"refused", engine.refused}}},
      {"kv",
       {{"used_bytes", (engine.pages - engine.pages_free) * engine.page_bytes},
        {"budget_bytes", engine.pages * engine.page_bytes}}},
      {"single_flight", {{"shared", flights.followed}}},
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
  if (cache_ != nullptr) json["cache"] = cache::to_json(cache_->stats());
  return json;
}

Recognition recognize_now(Backend& backend, Request request) {
  std::promise<Recognition> promise;
  auto future = promise.get_future();
  // The callback owns the promise: this function may return before set_value() has.
  backend.recognize(std::move(request), [promise = std::move(promise)](Recognition answer) mutable {
    promise.set_value(std::move(answer));
  });
  return future.get();
}

}  // namespace fovea::recognize
