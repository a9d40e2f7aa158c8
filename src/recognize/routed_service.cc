#include "recognize/routed_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/request_id.h"
#include "base/shorten.h"
#include "cache/key.h"
#include "image/decode.h"
#include "image/sharpness.h"
#include "recognize/cascade_threshold.h"
#include "recognize/judge.h"

namespace fovea::recognize {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kFollowingThreads = 2;
constexpr std::size_t kSeenFiles = 100'000;

/// Adds the numbers of `more` to those of `sum`, member by member.
void add_figures(Json& sum, const Json& more) {
  for (const auto& [name, value] : more.items()) {
    Json& place = sum[name];
    if (value.is_object()) {
      if (place.is_null()) place = Json::object();
      add_figures(place, value);
    } else if (value.is_number() && place.is_number()) {
      place = place.is_number_float() || value.is_number_float()
                  ? Json(place.get<double>() + value.get<double>())
                  : Json(place.get<std::int64_t>() + value.get<std::int64_t>());
    } else {
      place = value;
    }
  }
}

routing::Answer answer_of(Recognition&& recognition) {
  routing::Answer answer{
      .fields = recognition.fields,
      .confidence = recognition.confidence.is_object() ? recognition.confidence : Json::object(),
      .probabilities = recognition.probabilities};
  answer.attachment = std::make_shared<const Recognition>(std::move(recognition));
  return answer;
}

}  // namespace

/// A request, its bytes, and who waits. A shadow call may outlive the request: then the bytes are its own.
struct RoutedService::Asked {
  Request request;
  RecognitionDone done;
  Recognition answer;
  const tasks::Task* task = nullptr;
  std::optional<std::string> lacks;  // the task's accurate model, where it is not loaded and would be wanted
  std::vector<std::byte> own_bytes;
  bool alone = false;  // no faster model previews, so the one that is asked may give a first look
  mutable std::mutex preview_mutex;
  mutable bool previewed = false;  // guarded by preview_mutex; set once it is too late for a first look, too
  Stopwatch watch;
};

class RoutedService::Models : public routing::ModelCall {
 public:
  explicit Models(const RoutedService& service) : service_(service) {}

  void ask(routing::Ask ask, Done done) override {
    const auto asked = std::static_pointer_cast<const Asked>(ask.question->subject);
    Request request{.request_id = asked->answer.request_id,
                    .file = asked->request.file,
                    .bytes = asked->own_bytes.empty() ? asked->request.bytes
                                                      : std::span<const std::byte>(asked->own_bytes),
                    .task = asked->task->name,
                    .mode = asked->request.mode,
                    .priority = ask.question->priority,
                    .cache = asked->request.cache,
                    .deadline = asked->request.deadline,
                    .stop = std::move(ask.stop)};
    if (asked->alone) {
      request.on_preview = [asked](Recognition preview) {
        const std::lock_guard lock(asked->preview_mutex);
        if (std::exchange(asked->previewed, true)) return;  // another call was first, or the answer is given
        preview.file = asked->answer.file;
        asked->request.on_preview(std::move(preview));
      };
    }
    auto* const service = const_cast<Service*>(service_.find(ask.model));
    service->recognize(std::move(request), [done = std::move(done), asked](Recognition recognition) mutable {
      if (recognition.error) return done(std::unexpected(std::move(*recognition.error)));
      done(answer_of(std::move(recognition)));
    });
  }

 private:
  const RoutedService& service_;
};

RoutedService::RoutedService(RoutedServiceOptions options)
    : options_(std::move(options)), tasks_(options_.models.front().tasks) {}

Result<std::unique_ptr<RoutedService>> RoutedService::open(RoutedServiceOptions options) {
  auto service = std::unique_ptr<RoutedService>(new RoutedService(std::move(options)));
  std::vector<std::string> names;
  for (ServiceOptions& model : service->options_.models) {
    model.catalogue = nullptr;
    model.reviews = nullptr;
    FOVEA_TRY(auto opened, Service::open(model));
    names.push_back(opened->models().front().id);
    service->services_.push_back(std::move(opened));
  }
  FOVEA_TRY(const auto thresholds, service->stored_thresholds());
  FOVEA_TRY(auto policy,
            routing::Policy::make(service->options_.router, *service->tasks_, names, thresholds));
  service->models_ = std::make_unique<Models>(*service);
  routing::ModelCall* calls = service->models_.get();
  if (!service->options_.faults.empty()) {
    service->faults_ =
        std::make_unique<routing::FaultyModels>(*calls, service->timers_, service->options_.faults);
    calls = service->faults_.get();
  }
  service->router_ = std::make_unique<routing::Router>(std::move(policy), *calls, service->timers_,
                                                       service->options_.breaker_changed);
  service->pool_ = std::make_unique<TaskPool>(kFollowingThreads);
  return service;
}

/// What `fovea calibrate` stored for the pairs that are loaded.
Result<std::map<std::string, double>> RoutedService::stored_thresholds() const {
  std::map<std::string, double> thresholds;
  for (const std::string& name : tasks_->names()) {
    const tasks::Task& task = *tasks_->find(name);
    const Service* fast = find(task.models.fast);
    const Service* accurate = find(task.models.accurate);
    if (fast == nullptr || accurate == nullptr) continue;
    FOVEA_TRY(const auto stored,
              load_threshold(fast->folder(), {.task = name,
                                              .task_digest = task.digest(),
                                              .fast_version = fast->models().front().version,
                                              .accurate = task.models.accurate,
                                              .accurate_version = accurate->models().front().version}));
    if (stored) thresholds[name] = *stored;
  }
  return thresholds;
}

// The router first, which answers everyone who waits; then the models, whose late answers nobody hears.
RoutedService::~RoutedService() {
  draining_ = true;
  router_.reset();
  pool_.reset();
  services_.clear();
}

const Service* RoutedService::find(std::string_view model) const {
  const auto found = std::ranges::find_if(
      services_, [&](const auto& service) { return service->models().front().id == model; });
  return found == services_.end() ? nullptr : found->get();
}

std::optional<Error> RoutedService::refusal(const Request& request) const {
  if (draining_) return Error{ErrorCode::kUnavailable, "the server is shutting down"};
  if (const auto task = tasks_->require(request.task, ErrorCode::kInvalidArgument); !task)
    return task.error();
  if (!routing::mode_of(request.mode)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("unknown mode \"{}\"", request.mode.substr(0, 64))};
  }
  const auto wanted = model_wanted(request, *tasks_->find(request.task));
  if (!wanted) return wanted.error();
  if (!wanted->empty() && find(*wanted) == nullptr) {
    return Error{ErrorCode::kModelUnavailable,
                 fmt::format("the model {} is not loaded here", shorten(*wanted, 64))};
  }
  if (request.deadline && std::chrono::steady_clock::now() >= *request.deadline) {
    return Error{ErrorCode::kDeadline, "the deadline has passed already"};
  }
  return std::nullopt;
}

std::size_t RoutedService::pending() const {
  std::size_t all = 0;
  for (const auto& service : services_) all += service->pending();
  return all;
}

/// Whether this file was asked about before; from now on it was.
bool RoutedService::note_seen(std::span<const std::byte> bytes) {
  const cache::Digest digest = cache::digest_bytes(bytes);
  std::uint64_t key = 0;
  std::memcpy(&key, digest.bytes.data(), sizeof key);
  const std::lock_guard lock(seen_mutex_);
  if (!seen_.insert(key).second) return true;
  seen_in_order_.push_back(key);
  if (seen_in_order_.size() > kSeenFiles) {
    seen_.erase(seen_in_order_.front());
    seen_in_order_.pop_front();
  }
  return false;
}

routing::RequestTraits RoutedService::traits_of(const Asked& asked) {
  const Request& request = asked.request;
  const routing::TaskPolicy& policy = router_->policy().tasks.find(asked.task->name)->second;
  routing::RequestTraits traits{.task = asked.task->name,
                                .mode = *routing::mode_of(request.mode),
                                .model = model_wanted(request, *asked.task).value_or(""),
                                .priority = request.priority,
                                .request_id = asked.answer.request_id,
                                .key = request.key};
  if (request.deadline) {
    traits.time_left = std::chrono::duration_cast<std::chrono::milliseconds>(
        *request.deadline - std::chrono::steady_clock::now());
  }
  if (policy.seen_before_fast) traits.seen_before = note_seen(request.bytes);
  // A file that cannot be read is the models' to refuse.
  if (policy.small_below_px > 0 || policy.blurred_below > 0) {
    if (const auto picture = image::decode_image(request.bytes, options_.models.front().limits)) {
      traits.width = picture->width;
      traits.height = picture->height;
      if (policy.blurred_below > 0) traits.sharpness = image::sharpness(*picture);
    }
  }
  return traits;
}

void RoutedService::recognize(Request request, RecognitionDone done) {
  auto asked = std::make_shared<Asked>();
  asked->request = std::move(request);
  asked->done = std::move(done);
  Recognition& answer = asked->answer;
  answer.request_id = asked->request.request_id.empty() ? make_request_id() : asked->request.request_id;
  answer.file = asked->request.file;
  answer.task = asked->request.task;
  if (auto refused = refusal(asked->request)) {
    answer.model =
        asked->request.model.empty() ? services_.front()->models().front().id : asked->request.model;
    answer.error = std::move(refused);
    return give(*asked);
  }
  asked->task = tasks_->find(asked->request.task);
  const routing::RequestTraits traits = traits_of(*asked);
  routing::Plan plan = router_->decide(traits, {.queue_depth = pending()});
  const std::string& accurate = asked->task->models.accurate;
  const bool wants_accurate = traits.model.empty() && (traits.mode == routing::Mode::kAuto ||
                                                       traits.mode == routing::Mode::kAccurate ||
                                                       traits.mode == routing::Mode::kProgressive);
  if (wants_accurate && !accurate.empty() && find(accurate) == nullptr) asked->lacks = accurate;
  asked->alone = asked->request.on_preview && plan.shadow.empty() && plan.steps.size() == 1 &&
                 plan.steps.front().kind == routing::Step::Kind::kAnswer;
  if (!plan.shadow.empty()) asked->own_bytes.assign(asked->request.bytes.begin(), asked->request.bytes.end());

  routing::Listener listener;
  if (asked->request.on_preview) {
    listener.on_preview = [asked](const std::string& model, const routing::Answer& preview) {
      Recognition shown = *std::static_pointer_cast<const Recognition>(preview.attachment);
      shown.file = asked->answer.file;
      shown.rule = "preview";
      shown.why = fmt::format("{} answers first; a better answer follows", model);
      asked->request.on_preview(std::move(shown));
    };
  }
  listener.on_done = [this, asked](routing::Outcome outcome) { finish(asked, std::move(outcome)); };
  const auto deadline = asked->request.deadline;
  router_->execute(std::move(plan),
                   {.task = asked->task, .priority = asked->request.priority, .subject = asked}, deadline,
                   asked->request.stop, std::move(listener));
}

void RoutedService::finish(const std::shared_ptr<Asked>& asked, routing::Outcome outcome) {
  {
    const std::lock_guard lock(asked->preview_mutex);
    asked->previewed = true;
  }
  Recognition& answer = asked->answer;
  if (outcome.answer) {
    // Of a vote, it is one of the members'.
    if (const auto chosen = std::static_pointer_cast<const Recognition>(outcome.answer->attachment)) {
      const std::string request_id = std::move(answer.request_id);
      const std::string file = std::move(answer.file);
      answer = *chosen;
      answer.request_id = request_id;
      answer.file = file;
    }
    answer.fields = std::move(outcome.answer->fields);
    answer.confidence = std::move(outcome.answer->confidence);
    answer.probabilities = std::move(outcome.answer->probabilities);
  } else {
    answer.error = std::move(outcome.answer).error();
    answer.retry_after_s = outcome.retry_after_s;
  }
  if (!outcome.model.empty()) answer.model = outcome.model;
  if (answer.model.empty()) answer.model = services_.front()->models().front().id;
  answer.degraded = outcome.degraded || asked->lacks.has_value();
  answer.rule = std::move(outcome.rule);
  answer.why = std::move(outcome.why);
  if (asked->lacks) answer.why += fmt::format("; {} is not loaded", *asked->lacks);
  // Nothing waits for a disk where an answer was there already.
  const bool follows =
      answer.ok() && !answer.cached && (options_.catalogue != nullptr || options_.reviews != nullptr);
  if (!follows) return give(*asked);
  pool_->run(asked->request.priority, [this, asked] { give(*asked); });
}

void RoutedService::give(Asked& asked) {
  if (asked.answer.ok()) {
    settle(*asked.task, options_.catalogue.get(), options_.reviews.get(), asked.request.bytes, asked.answer);
  }
  asked.answer.timings.total_ms = asked.watch.elapsed_ms();
  std::exchange(asked.done, nullptr)(std::move(asked.answer));
}

void RoutedService::chat(ChatRequest request, ChatListener listener) {
  const auto found = std::ranges::find_if(
      services_, [&](const auto& service) { return service->models().front().id == request.model; });
  // Without a name the first answers; of an unknown one it says what it is.
  Service& service = found == services_.end() ? *services_.front() : **found;
  service.chat(std::move(request), std::move(listener));
}

std::vector<ModelInfo> RoutedService::models() const {
  std::vector<ModelInfo> all;
  all.reserve(services_.size());
  for (const auto& service : services_) all.push_back(service->models().front());
  return all;
}

Readiness RoutedService::readiness() const {
  Readiness state = services_.front()->readiness();
  state.ready = !draining_;
  state.why = draining_ ? "the server is shutting down" : "";
  for (const auto& [model, breaker] : breakers().items()) state.details["models"][model] = breaker["state"];
  return state;
}

nlohmann::ordered_json RoutedService::stats() const {
  Json all = Json::object();
  Json cache;
  for (const auto& service : services_) {
    Json one = service->stats();
    if (one.contains("cache")) {  // which they share
      cache = std::move(one["cache"]);
      one.erase("cache");
    }
    add_figures(all, one);
  }
  if (!cache.is_null()) all["cache"] = std::move(cache);
  all["router"] = router_->figures().stats();
  return all;
}

void RoutedService::drain() {
  draining_ = true;
  for (const auto& service : services_) service->drain();
}

nlohmann::ordered_json RoutedService::breakers() const {
  return router_->figures().breakers();
}

const routing::TaskPolicy* RoutedService::task_policy(const std::string& task) const {
  const auto& tasks = router_->policy().tasks;
  const auto found = tasks.find(task);
  return found == tasks.end() ? nullptr : &found->second;
}

Result<void> RoutedService::operate(const std::string& model, ModelSwitch what, const std::string& why) {
  switch (what) {
    case ModelSwitch::kOff:
      return router_->turn_off(model, why);
    case ModelSwitch::kOn:
      return router_->turn_on(model);
    case ModelSwitch::kCloseBreaker:
      return router_->close_breaker(model);
  }
  return {};
}

}  // namespace fovea::recognize
