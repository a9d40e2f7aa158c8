#include "server/fake_backend.h"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <utility>

namespace fovea::testing {
namespace {

using Json = nlohmann::ordered_json;
using recognize::ChatRequest;
using recognize::ChatResult;

std::string text_of(const recognize::Request& request) {
  return {reinterpret_cast<const char*>(request.bytes.data()), request.bytes.size()};
}

recognize::Recognition read(const recognize::Request& request) {
  const std::string picture = text_of(request);
  recognize::Recognition answer;
  answer.request_id = request.request_id;
  answer.file = request.file;
  answer.task = request.task;
  answer.model = "fake";
  answer.model_version = "1";
  answer.rule = "single";
  answer.why = "the only \"model\"";
  answer.timings.total_ms = 1;
  if (picture.starts_with("BAD")) {
    answer.error = Error{ErrorCode::kInvalidImage, "the picture is damaged"};
  } else if (picture.starts_with("LATE")) {
    answer.error = Error{ErrorCode::kDeadline, "it would take longer than there is time"};
  } else {
    answer.fields["size"] = picture.size();
  }
  if (picture.starts_with("CACHED")) answer.cached = "memory";
  return answer;
}

/// The least that a schema of an object allows, member by member.
Json example_of(const Json& schema) {
  const std::string type = schema.value("type", "object");
  if (type == "string") return schema.contains("enum") ? schema["enum"][0] : Json("text");
  if (type == "integer") return 1;
  if (type == "number") return 0.5;
  if (type == "boolean") return true;
  if (type == "array") return Json::array();
  Json object = Json::object();
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, property] : properties.items()) object[name] = example_of(property);
  return object;
}

/// Pieces that are whole characters.
std::vector<std::string> tokens_of(const ChatRequest& request) {
  using Kind = recognize::ResponseFormat::Kind;
  if (request.format.kind == Kind::kText) return {"Hello", ", ", "w\xc3\xb6rld", "!"};
  const std::string text = request.format.kind == Kind::kJsonObject
                               ? std::string(R"({"answer":"Hello"})")
                               : example_of(Json::parse(request.format.schema)).dump();
  std::vector<std::string> tokens;
  for (std::size_t at = 0; at < text.size(); at += 5) tokens.push_back(text.substr(at, 5));
  return tokens;
}

std::string last_text(const ChatRequest& request) {
  std::string text;
  for (const auto& part : request.turns.back().content) {
    if (const auto* words = std::get_if<std::string>(&part)) text = *words;
  }
  return text;
}

recognize::ChatDelta delta_of(const ChatRequest& request, const std::string& token, std::int32_t id) {
  recognize::ChatDelta delta{.text = token, .logprobs = {}};
  if (!request.sampling.logprobs) return delta;
  engine::TokenLogprob logprob{.id = id, .bytes = token, .logprob = -0.5F, .alternatives = {}};
  for (std::size_t i = 0; i < request.sampling.top_logprobs; ++i) {
    logprob.alternatives.push_back({.id = id, .bytes = token, .logprob = -0.5F - static_cast<float>(i)});
  }
  delta.logprobs.push_back(std::move(logprob));
  return delta;
}

}  // namespace

FakeBackend::FakeBackend() : reader_([this] { read_pictures(); }) {}

FakeBackend::~FakeBackend() {
  {
    const std::scoped_lock lock(mutex_);
    held_ = false;
    ended_ = true;
    changed_.notify_all();
  }
  reader_.join();
  talkers_.clear();
}

void FakeBackend::recognize(recognize::Request request, RecognitionDone done) {
  const std::string picture = text_of(request);
  if (picture.starts_with("THROW")) throw std::runtime_error("a broken promise");
  if (picture.starts_with("DROP")) return;
  std::unique_lock lock(mutex_);
  if (busy_ && line_.size() >= capacity_) {
    lock.unlock();
    recognize::Recognition refusal = read(request);
    refusal.model = {};
    refusal.error = Error{ErrorCode::kOverloaded, "as many requests as may wait are waiting"};
    refusal.retry_after_s = 7;
    done(std::move(refusal));
    return;
  }
  if (!busy_) {
    busy_ = true;  // at once, so that what a stop does never depends on how quickly the thread wakes up
    now_ = Job{std::move(request), std::move(done), nullptr};
    changed_.notify_all();
    return;
  }
  const std::size_t number = next_++;
  const std::stop_token stop = request.stop;
  line_.emplace(number, Job{std::move(request), std::move(done), nullptr});
  lock.unlock();
  auto on_stop =
      std::make_unique<std::stop_callback<std::function<void()>>>(stop, [this, number] { cancel(number); });
  lock.lock();
  if (const auto job = line_.find(number); job != line_.end()) job->second.on_stop = std::move(on_stop);
  lock.unlock();  // a callback that is not needed any more ends without the lock
}

void FakeBackend::cancel(std::size_t number) {
  std::unique_lock lock(mutex_);
  const auto found = line_.find(number);
  if (found == line_.end()) return;
  Job job = std::move(found->second);
  line_.erase(found);
  lock.unlock();
  recognize::Recognition answer = read(job.request);
  answer.error = Error{ErrorCode::kCancelled, "the caller went away"};
  job.done(std::move(answer));
}

void FakeBackend::read_pictures() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ended_ || now_; });
    if (!now_) return;
    Job job = std::move(*std::exchange(now_, std::nullopt));
    seen_.push_back(text_of(job.request).substr(0, 64));
    questions_.push_back(job.request);
    questions_.back().bytes = {};
    ++started_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    lock.unlock();
    job.on_stop.reset();
    job.done(read(job.request));
    job.done = nullptr;
    lock.lock();
    busy_ = !line_.empty();
    if (!busy_) continue;
    now_ = std::move(line_.begin()->second);
    line_.erase(line_.begin());
  }
}

void FakeBackend::chat(ChatRequest request, recognize::ChatListener listener) {
  if (last_text(request) == "DROP") return;
  const std::scoped_lock lock(mutex_);
  conversations_.push_back(request);
  talkers_.emplace_back([this, request = std::move(request), listener = std::move(listener)]() mutable {
    converse(request, listener);
  });
}

void FakeBackend::converse(ChatRequest& request, recognize::ChatListener& listener) {
  const std::string text = last_text(request);
  ChatResult result;
  result.model = request.model.empty() ? "fake" : request.model;
  result.prompt_tokens = 10;
  result.cached_tokens = 4;
  const auto known = models();
  const auto end_with = [&](ErrorCode code, std::string message) {
    result.error = Error{code, std::move(message)};
    if (code == ErrorCode::kOverloaded) result.retry_after_s = 7;
    listener.on_done(std::move(result));
  };
  if (std::ranges::find(known, result.model, &recognize::ModelInfo::id) == known.end()) {
    return end_with(ErrorCode::kNotFound, "the model \"" + result.model + "\" is not loaded here");
  }
  if (text == "OVERLOADED")
    return end_with(ErrorCode::kOverloaded, "as many requests as may wait are waiting");
  if (text == "TOO LONG") return end_with(ErrorCode::kContextExceeded, "the prompt does not fit the context");
  if (text == "FAIL") return end_with(ErrorCode::kInternal, "the model failed");

  std::string said;
  const auto say = [&](const std::string& token) {
    listener.on_delta(delta_of(request, token, static_cast<std::int32_t>(result.completion_tokens)));
    ++result.completion_tokens;
    said += token;
  };
  const auto note_stop = [this] {
    const std::scoped_lock lock(mutex_);
    ++stopped_;
    changed_.notify_all();
  };
  if (text == "FLOOD") {
    const std::string token(1000, 'x');
    while (!request.stop.stop_requested()) say(token);
    note_stop();
    return end_with(ErrorCode::kCancelled, "the caller went away");
  }
  if (text == "WAIT") {
    say("Wait");
    std::unique_lock lock(mutex_);
    changed_.wait(lock, request.stop, [this] { return ended_; });
    lock.unlock();
    note_stop();
    return end_with(ErrorCode::kCancelled, "the caller went away");
  }
  for (const std::string& token : tokens_of(request)) {
    if (result.completion_tokens == request.max_new_tokens) {
      result.finish_reason = engine::FinishReason::kLength;
      break;
    }
    if (std::ranges::any_of(request.sampling.stop,
                            [&](const std::string& end) { return token.contains(end); }))
      break;
    if (text == "BREAK" && result.completion_tokens == 2)
      return end_with(ErrorCode::kInternal, "the model broke");
    say(token);
  }
  listener.on_done(std::move(result));
}

std::vector<recognize::ModelInfo> FakeBackend::models() const {
  const std::scoped_lock lock(mutex_);
  return models_;
}

recognize::Readiness FakeBackend::readiness() const {
  const std::scoped_lock lock(mutex_);
  if (models_.empty()) return {.ready = false, .why = "no model is loaded", .details = {}};
  return {.ready = true, .why = {}, .details = {{"cache", {{"memory", "ok"}}}}};
}

Json FakeBackend::stats() const {
  const std::scoped_lock lock(mutex_);
  return {
      {"queue",
       {{"waiting", {{"high", 0}, {"normal", line_.size()}, {"batch", 0}}}, {"running", busy_ ? 1 : 0}}},
      {"kv", {{"used_bytes", 1024}, {"budget_bytes", 4096}}},
      {"cache", {{"memory", {{"hits", 3}, {"misses", 5}, {"entries", 5}, {"bytes", 700}, {"state", "up"}}}}},
      {"vision", {{"tiles", 20}, {"reused_tiles", 8}}}};
}

void FakeBackend::set_models(std::vector<recognize::ModelInfo> models) {
  const std::scoped_lock lock(mutex_);
  models_ = std::move(models);
}

void FakeBackend::set_capacity(std::size_t capacity) {
  const std::scoped_lock lock(mutex_);
  capacity_ = capacity;
}

void FakeBackend::hold() {
  const std::scoped_lock lock(mutex_);
  held_ = true;
}

void FakeBackend::release() {
  const std::scoped_lock lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void FakeBackend::wait_until_started(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return started_ >= count; });
}

void FakeBackend::wait_until_stopped(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ >= count; });
}

std::vector<std::string> FakeBackend::seen() {
  const std::scoped_lock lock(mutex_);
  return seen_;
}

std::vector<recognize::Request> FakeBackend::questions() {
  const std::scoped_lock lock(mutex_);
  return questions_;
}

std::vector<ChatRequest> FakeBackend::conversations() {
  const std::scoped_lock lock(mutex_);
  return conversations_;
}

}  // namespace fovea::testing
