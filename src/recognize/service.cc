#include "recognize/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <future>
#include <utility>

#include "base/clock.h"
#include "base/request_id.h"
#include "base/shorten.h"
#include "image/orientation.h"
#include "recognize/judge.h"
#include "recognize/open_reader.h"
#include "recognize/turns.h"

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
  image::Image picture;          // until it is read first
  std::vector<std::byte> bytes;  // of its file, where it may be read again: far fewer than its pixels
  std::optional<cache::Key> key;
  engine::Priority priority;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token stop;
  Recognition answer;
  Stopwatch watch;
  std::optional<Reading> best;  // of the turns that were read
};

Result<std::unique_ptr<Service>> Service::open(const ServiceOptions& options) {
  FOVEA_TRY(auto reader, open_reader(options));
  return open(options, std::move(reader));
}

Result<std::unique_ptr<Service>> Service::open(const ServiceOptions& options,
                                               std::unique_ptr<Reader> reader) {
  auto service = std::unique_ptr<Service>(new Service(options, std::move(reader)));
  FOVEA_CHECK_OK(service->plan_tasks());
  return service;
}

Service::Service(ServiceOptions options, std::unique_ptr<Reader> reader)
    : options_(std::move(options)),
      model_(reader->model()),
      flights_(timer_),
      cache_(options_.cache),
      reader_(std::move(reader)),
      pool_(std::make_unique<TaskPool>(options_.prepare_threads)) {}

// Everyone who asked gets an answer before anything goes.
Service::~Service() {
  draining_ = true;
  reader_->stop();
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
    TaskPlan plan{.task = options_.tasks->find(name), .calibration = {}, .question = {}, .unusable = {}};
    if (auto learnt = reader_->learn(*plan.task); !learnt) plan.unusable = std::move(learnt).error();
    const std::string digest = plan.task->digest();
    if (options_.calibrated) {
      FOVEA_TRY(plan.calibration, load_calibration(options_.model, name, digest, model_.version));
    }
    auto parameters = reader_->parameters();
    parameters["calibration"] = plan.calibration.to_json().dump();
    parameters["turns"] = kTurnsRevision;
    plan.question = {.model = model_.id + "@" + model_.version,
                     .task = digest,
                     .parameters = {parameters.begin(), parameters.end()}};
    plans_.push_back(std::move(plan));
  }
  return {};
}

std::optional<Error> Service::refusal(const Request& request) const {
  if (draining_) return Error{ErrorCode::kUnavailable, "the server is shutting down"};
  if (const auto task = options_.tasks->require(request.task, ErrorCode::kInvalidArgument); !task) {
    return task.error();
  }
  const auto wanted = model_wanted(request, *options_.tasks->find(request.task));
  if (!wanted) return wanted.error();
  if (!wanted->empty() && *wanted != model_.id) {
    return Error{ErrorCode::kModelUnavailable,
                 fmt::format("the model {} is not loaded here", shorten(*wanted, 64))};
  }
  if (pending_ > reader_->capacity()) return overloaded();
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
  pool_->run(job->request.priority, [this, job] { decode(job); });
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
    return look_up(job);
  }
  glance(job, [this, job] {
    compute(computation_of(*job, job->request.stop), [this, job](Recognition answer) {
      job->answer = std::move(answer);
      pool_->run(job->request.priority, [this, job] { finish(job); });
    });
  });
}

/// Where a first look was asked for and there is a quick one, shows what it gives; then goes on. The
/// confidences were calibrated for whole readings and are left out of it. Who has a deadline wants the
/// answer.
void Service::glance(const JobPointer& job, std::move_only_function<void()> then) {
  const Request& request = job->request;
  if (!request.on_preview || request.deadline || !reader_->can_glance(job->picture)) return then();
  auto look = std::make_shared<Computation>(Computation{.plan = job->plan,
                                                        .picture = {},
                                                        .bytes = {},
                                                        .key = {},
                                                        .priority = request.priority,
                                                        .deadline = {},
                                                        .stop = {},
                                                        .answer = job->answer,
                                                        .watch = job->watch,
                                                        .best = {}});
  const int turn = turns_of(*job->plan->task, job->picture).front();
  reader_->read({.task = job->plan->task,
                 .picture = image::apply_orientation(job->picture, turn),
                 .glance = true,
                 .priority = request.priority,
                 .stop = request.stop},
                [this, job, look, then = std::move(then)](Reading reading) mutable {
                  take_reading(*look, std::move(reading));
                  pool_->run(job->request.priority, [this, job, look, then = std::move(then)]() mutable {
                    Recognition& shown = look->answer;
                    if (shown.ok()) {
                      judge(*job->plan->task, options_.catalogue.get(), shown);
                      shown.confidence = nullptr;
                      shown.unsure = job->plan->task->kind == tasks::Kind::kLabels;
                      shown.rule = "preview";
                      shown.why = "the whole picture in one frame; a reading of its tiles follows";
                      shown.timings.total_ms = look->watch.elapsed_ms();
                      job->request.on_preview(std::move(shown));
                    }
                    then();
                  });
                });
}

/// Takes the picture out of the job. The file's bytes are the caller's, who may be gone before all is read.
Service::ComputationPointer Service::computation_of(Job& job, std::stop_token stop) {
  std::vector<std::byte> bytes;
  if (turns_of(*job.plan->task, job.picture).size() > 1)
    bytes.assign(job.request.bytes.begin(), job.request.bytes.end());
  return std::make_shared<Computation>(Computation{.plan = job.plan,
                                                   .picture = std::exchange(job.picture, {}),
                                                   .bytes = std::move(bytes),
                                                   .key = job.key,
                                                   .priority = job.request.priority,
                                                   .deadline = job.request.deadline,
                                                   .stop = std::move(stop),
                                                   .answer = job.answer,
                                                   .watch = job.watch,
                                                   .best = {}});
}

void Service::look_up(const JobPointer& job) {
  const auto deadline = job->request.deadline.value_or(cache::Clock::time_point::max());
  cache_->lookup_async(
      *job->key,
      [this, job](std::optional<cache::Hit> hit) {
        pool_->run(job->request.priority, [this, job, hit = std::move(hit)] {
          if (hit && take_stored(*job, *hit->answer, hit->tier)) {
            finish(job);
          } else {
            glance(job, [this, job] { fly(job); });
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
        pool_->run(job->request.priority, [this, job] { finish(job); });
      });
  job->leaves.emplace(job->request.stop, [ticket] { ticket.cancel(); });
}

void Service::compute(const ComputationPointer& computation, Computed computed) {
  read_turned(computation, turns_of(*computation->plan->task, computation->picture), std::move(computed));
}

/// Reads the picture turned by the first of `turns`, and by the next ones as long as that leaves doubt.
void Service::read_turned(const ComputationPointer& computation, std::span<const int> turns,
                          Computed computed) {
  image::Image picture = std::exchange(computation->picture, {});
  if (computation->best) {
    auto again = image::decode_image(computation->bytes, options_.limits);
    if (!again) return take_best(*computation, computed);
    picture = std::move(*again);
  }
  reader_->read({.task = computation->plan->task,
                 .picture = image::apply_orientation(std::move(picture), turns.front()),
                 .priority = computation->priority,
                 .deadline = computation->deadline,
                 .stop = computation->stop},
                [this, computation, turns, computed = std::move(computed)](Reading reading) mutable {
                  keep_surer(computation->best, std::move(reading));
                  if (turns.size() > 1 && worth_turning(*computation, turns[1])) {
                    pool_->run(computation->priority,
                               [this, computation, turns, computed = std::move(computed)]() mutable {
                                 read_turned(computation, turns.subspan(1), std::move(computed));
                               });
                    return;
                  }
                  take_best(*computation, computed);
                });
}

/// The surest of what was read becomes the answer.
void Service::take_best(Computation& computation, Computed& computed) {
  take_reading(computation, *std::exchange(computation.best, {}));
  if (computation.answer.ok()) store(computation);
  computed(std::move(computation.answer));
}

/// Whether what was read is so doubtful that the picture is read again, turned by `turn`, and there is time
/// to.
bool Service::worth_turning(const Computation& computation, int turn) {
  const Reading& best = *computation.best;
  if (computation.stop.stop_requested()) return false;
  const auto spent = std::chrono::duration<double, std::milli>(computation.watch.elapsed_ms());
  if (computation.deadline && std::chrono::steady_clock::now() + spent >= *computation.deadline) return false;
  if (best.error) return best.error->code == ErrorCode::kInvalidOutput;
  double least = 1, whole = 1;
  for (const auto& [name, logprob] : best.logprobs) {
    const double probability = computation.plan->calibration.probability(name, logprob);
    least = std::min(least, probability);
    whole *= probability;
  }
  return least < computation.plan->task->accept && whole < doubt_before(turn);
}

void Service::take_reading(Computation& computation, Reading reading) {
  const TaskPlan& plan = *computation.plan;
  Recognition& answer = computation.answer;
  const double decoding_ms = answer.timings.image_ms;
  answer.timings = reading.timings;
  answer.timings.image_ms += decoding_ms;
  answer.error = std::move(reading.error);
  if (!answer.ok()) return;
  answer.fields = std::move(reading.fields);
  answer.probabilities = std::move(reading.probabilities);
  answer.confidence = nlohmann::ordered_json::object();
  for (const auto& [name, logprob] : reading.logprobs) {
    const double probability = plan.calibration.probability(name, logprob);
    answer.confidence[name] = probability;
    // What is hardly ever right is no reading: "cannot be read" is.
    const auto field = std::ranges::find(plan.task->fields, name, &tasks::Field::name);
    if (probability < plan.task->legible && field != plan.task->fields.end() && field->nullable) {
      answer.fields[name] = nullptr;
    }
  }
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
    settle(*job->plan->task, options_.catalogue.get(), options_.reviews.get(), job->request.bytes, answer);
  } else if (answer.error->code == ErrorCode::kOverloaded) {
    answer.retry_after_s = reader_->retry_after_s();
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
  nlohmann::ordered_json json = reader_->stats();
  json["single_flight"] = {{"shared", flights_.stats().followed}};
  if (cache_ != nullptr) json["cache"] = cache::to_json(cache_->stats());
  return json;
}

void Service::chat(ChatRequest request, ChatListener listener) {
  ++pending_;
  auto on_done = [this, done = std::move(listener.on_done)](ChatResult result) mutable {
    result.model = model_.id;
    if (result.error && result.error->code == ErrorCode::kOverloaded) {
      result.retry_after_s = reader_->retry_after_s();
    }
    done(std::move(result));
    answered();
  };
  std::optional<Error> refused;
  if (draining_) {
    refused = Error{ErrorCode::kUnavailable, "the server is shutting down"};
  } else if (!request.model.empty() && request.model != model_.id) {
    refused = Error{ErrorCode::kNotFound,
                    fmt::format("no model \"{}\"; there is: {}", request.model.substr(0, 64), model_.id)};
  } else if (pending_ > reader_->capacity()) {
    refused = overloaded();
  }
  if (refused) {
    ChatResult result;
    result.error = std::move(refused);
    return on_done(std::move(result));
  }
  listener.on_done = std::move(on_done);
  const engine::Priority priority = request.priority;
  pool_->run(priority, [this, request = std::move(request), listener = std::move(listener)]() mutable {
    reader_->chat(std::move(request), std::move(listener));
  });
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
