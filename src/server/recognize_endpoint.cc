// POST /recognize: one picture, as the body or as a part of a form, and how it is to be read.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "server/api.h"
#include "server/body_stream.h"
#include "server/json_text.h"
#include "server/multipart.h"
#include "server/problem.h"

namespace fovea::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kMultipart = "multipart/form-data";
constexpr std::string_view kParameters = "task, mode, priority, deadline_ms, cache, model, key";
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kShown = 64;  ///< bytes of a caller's text that a message repeats

/// The media type of a Content-Type value, without its parameters.
std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

bool is_multipart(const RequestHead& head) {
  const std::string* content_type = head.header("Content-Type");
  return content_type != nullptr && equal_ignoring_case(media_type(*content_type), kMultipart);
}

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

/// `value` as one of the words of `table`.
template <class T, std::size_t N>
Result<T> word_of(std::string_view name, std::string_view value,
                  const std::array<std::pair<std::string_view, T>, N>& table) {
  std::string known;
  for (const auto& [word, meaning] : table) {
    if (word == value) return meaning;
    known.append(known.empty() ? "" : ", ").append(word);
  }
  return invalid(fmt::format("unknown {} \"{}\"; known: {}", name, value.substr(0, kShown), known));
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kModes = {
    {{"auto", "auto"},
     {"fast", "fast"},
     {"accurate", "accurate"},
     {"high_throughput", "high_throughput"},
     {"edge", "edge"},
     {"progressive", "progressive"}}};
constexpr std::array<std::pair<std::string_view, engine::Priority>, 3> kPriorities = {
    {{"high", engine::Priority::kHigh},
     {"normal", engine::Priority::kNormal},
     {"batch", engine::Priority::kBatch}}};
constexpr std::array<std::pair<std::string_view, recognize::CacheMode>, 3> kCacheModes = {
    {{"use", recognize::CacheMode::kUse},
     {"refresh", recognize::CacheMode::kRefresh},
     {"off", recognize::CacheMode::kOff}}};

constexpr std::int64_t kMaxDeadlineMs = 24 * 60 * 60 * std::int64_t{1000};

/// Collects a question's parameters, wherever in the request they stand, each once.
class Parameters {
 public:
  Parameters(const RequestHead& head, const std::vector<std::string>& task_names,
             recognize::Request& question)
      : head_(head), task_names_(task_names), question_(question) {}

  /// False: there is no parameter of that name. Errors: kInvalidArgument.
  Result<bool> set(std::string_view name, std::string_view value) {
    bool* given = given_of(name);
    if (given == nullptr) return false;
    if (std::exchange(*given, true)) return invalid(fmt::format("{} is given more than once", name));
    FOVEA_CHECK_OK(set_known(name, value));
    return true;
  }

 private:
  bool* given_of(std::string_view name) {
    constexpr std::array<std::string_view, 7> kNames = {"task",  "mode",  "priority", "deadline_ms",
                                                        "cache", "model", "key"};
    const auto found = std::ranges::find(kNames, name);
    return found == kNames.end() ? nullptr : &given_[static_cast<std::size_t>(found - kNames.begin())];
  }

  Result<void> set_known(std::string_view name, std::string_view value) {
    if (name == "task") {
      if (std::ranges::find(task_names_, value) == task_names_.end()) {
        return invalid(fmt::format("unknown task \"{}\"; known: {}", value.substr(0, kShown),
                                   fmt::join(task_names_, ", ")));
      }
      question_.task = value;
    } else if (name == "mode") {
      FOVEA_TRY(question_.mode, word_of(name, value, kModes));
    } else if (name == "priority") {
      FOVEA_TRY(question_.priority, word_of(name, value, kPriorities));
    } else if (name == "cache") {
      FOVEA_TRY(question_.cache, word_of(name, value, kCacheModes));
    } else if (name == "model" || name == "key") {
      if (value.size() > kMaxNameBytes) {
        return invalid(fmt::format("{} is longer than {} bytes", name, kMaxNameBytes));
      }
      (name == "model" ? question_.model : question_.key) = value;
    } else {
      std::int64_t milliseconds = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), milliseconds);
      if (error != std::errc() || end != value.data() + value.size() || milliseconds < 1 ||
          milliseconds > kMaxDeadlineMs) {
        return invalid(fmt::format("deadline_ms is \"{}\"; expected a whole number from 1 to {}",
                                   value.substr(0, kShown), kMaxDeadlineMs));
      }
      question_.deadline = head_.received + std::chrono::milliseconds(milliseconds);
    }
    return {};
  }

  const RequestHead& head_;
  const std::vector<std::string>& task_names_;
  recognize::Request& question_;
  std::array<bool, 7> given_{};
};

Result<void> read_query(const RequestHead& head, Parameters& parameters) {
  for (const Field& field : head.query) {
    FOVEA_TRY(const bool known, parameters.set(field.name, field.value));
    if (!known) {
      return invalid(fmt::format("unknown query parameter \"{}\"; known: {}", field.name.substr(0, kShown),
                                 kParameters));
    }
  }
  return {};
}

Result<void> read_form(const HttpRequest& request, Parameters& parameters, recognize::Request& question) {
  FOVEA_TRY(const std::string boundary, multipart_boundary(*request.head.header("Content-Type")));
  FOVEA_TRY(const std::vector<Part> parts, parse_multipart(request.body, boundary));
  bool has_file = false;
  for (const Part& part : parts) {
    if (part.name == "file") {
      if (std::exchange(has_file, true)) {
        return invalid("more than one part \"file\"; send one image a request");
      }
      question.bytes = std::as_bytes(std::span(part.body));
      question.file = part.filename.value_or("");
      continue;
    }
    FOVEA_TRY(const bool known, parameters.set(part.name, part.body));
    if (!known) {
      return invalid(fmt::format("unknown form field \"{}\"; known: file, {}", part.name.substr(0, kShown),
                                 kParameters));
    }
  }
  if (!has_file) return invalid("the form has no part \"file\" with the image");
  if (question.bytes.empty()) return invalid("the part \"file\" is empty");
  return {};
}

RequestNotes notes_of(const recognize::Recognition& answer) {
  RequestNotes notes;
  notes.task = answer.task;
  notes.model = answer.model;
  notes.rule = answer.rule;
  notes.why = answer.why;
  notes.cached = answer.cached.value_or("");
  if (answer.error) notes.error = error_name(answer.error->code);
  return notes;
}

/// What an endpoint asks for where the request does not say it.
void preset(std::string_view path, recognize::Request& question) {
  constexpr std::string_view kPizza = "pizza";
  if (path == "/classify" || path.starts_with("/predict")) question.task = kPizza;
  if (path == "/predict/standard") question.role = recognize::ModelRole::kFast;
  if (path == "/predict/spatial") question.role = recognize::ModelRole::kAccurate;
}

HttpResponse response_of(const RequestHead& head, const recognize::Recognition& answer) {
  const nlohmann::ordered_json body = answer.to_json();
  HttpResponse response;
  if (answer.ok()) {
    response = json_response(body);
  } else {
    // One document serves both readers: those of problem+json, and those of the recognition contract, whose
    // members stand in it as extension members.
    response = problem(head, *answer.error, answer.retry_after_s.value_or(0));
    add_members(response, body);
  }
  response.notes = notes_of(answer);
  return response;
}

void observe(metrics::Metrics& metrics, const recognize::Recognition& answer, Clock::time_point begin) {
  const std::string_view error = answer.error ? error_name(answer.error->code) : "";
  metrics.observe_answer({.task = answer.task,
                          .model = answer.model,
                          .tier = answer.cached ? std::string_view(*answer.cached) : "",
                          .rule = answer.rule,
                          .error = error,
                          .seconds = std::chrono::duration<double>(Clock::now() - begin).count()});
  if (answer.error &&
      (answer.error->code == ErrorCode::kOverloaded || answer.error->code == ErrorCode::kDeadline)) {
    metrics.count_shed(error);
  }
  if (!answer.ok() || answer.cached) return;
  metrics.observe_stage("image", answer.timings.image_ms / 1000);
  metrics.observe_stage("vision", answer.timings.vision_ms / 1000);
  metrics.observe_stage("prefill", answer.timings.prefill_ms / 1000);
  metrics.observe_stage("decode", answer.timings.decode_ms / 1000);
}

/// One picture's answers as server-sent events: "preview" where a quick one comes first, then "answer". An
/// error that comes before either is an ordinary answer. Calls come one after the other.
class Progressive {
 public:
  Progressive(Answering answer, std::size_t capacity) : answer_(std::move(answer)), capacity_(capacity) {}
  Progressive(const Progressive&) = delete;
  Progressive& operator=(const Progressive&) = delete;
  ~Progressive() {
    if (stream_ && !ended_) stream_->finish({});
  }

  void preview(const recognize::Recognition& shown) {
    begin();
    send("preview", shown);
  }
  void end(const recognize::Recognition& last) {
    ended_ = true;
    if (!stream_ && !last.ok()) {
      (*answer_)(response_of(answer_->head(), last));
    } else {
      begin();
      send("answer", last);
      stream_->finish(notes_of(last));
    }
    answer_.reset();  // the request is over, however long the backend keeps the callback
  }

 private:
  void begin() {
    if (stream_) return;
    stream_ = std::make_shared<BodyStream>(capacity_);
    (*answer_)({.status = 200,
                .content_type = "text/event-stream; charset=utf-8",
                .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
                .stream = stream_});
  }
  void send(std::string_view event, const recognize::Recognition& recognition) {
    stream_->write(fmt::format("event: {}\ndata: {}\n\n", event, compact_json(recognition.to_json())));
  }

  std::optional<Answering> answer_;  // until the last event
  const std::size_t capacity_;
  std::shared_ptr<BodyStream> stream_;
  bool ended_ = false;
};

}  // namespace

Result<void> Api::check_recognize(const RequestHead& head) const {
  const std::string* content_type = head.header("Content-Type");
  const std::string_view media = content_type == nullptr ? "" : media_type(*content_type);
  const bool is_image = media.size() > 6 && equal_ignoring_case(media.substr(0, 6), "image/");
  // A body without a type is taken as bytes (RFC 9110, 8.3).
  if (content_type != nullptr && equal_ignoring_case(media, kMultipart)) {
    FOVEA_CHECK_OK(multipart_boundary(*content_type));
  } else if (content_type != nullptr && !is_image &&
             !equal_ignoring_case(media, "application/octet-stream")) {
    return fail(ErrorCode::kUnsupportedMedia,
                fmt::format("Content-Type \"{}\" is not read here; send an image as image/*, "
                            "application/octet-stream, or multipart/form-data with the part \"file\"",
                            media.substr(0, kShown)));
  }
  const std::string* encoding = head.header("Content-Encoding");
  if (encoding != nullptr && !equal_ignoring_case(trim(*encoding), "identity")) {
    return fail(ErrorCode::kUnsupportedMedia, "a Content-Encoding is not read here; send the image as it is");
  }
  recognize::Request ignored;
  Parameters parameters(head, task_names_, ignored);
  return read_query(head, parameters);
}

void Api::recognize(HttpRequest request, Answering answer) {
  // On the heap first: the question points into the body, and moving a short string moves its characters.
  auto held = std::make_unique<HttpRequest>(std::move(request));
  recognize::Request question;
  question.request_id = held->head.request_id;
  question.task = parts_.default_task;
  preset(held->head.path, question);
  question.stop = held->stop;
  Parameters parameters(held->head, task_names_, question);
  auto read = read_query(held->head, parameters);
  if (read && is_multipart(held->head)) {
    read = read_form(*held, parameters, question);
  } else if (read) {
    question.bytes = std::as_bytes(std::span(held->body));
    if (question.bytes.empty()) read = invalid("the body is empty; send an image");
  }
  if (!read) return answer(problem(held->head, read.error()));

  // A backend promises not to throw; one that breaks the promise must not take the server down.
  const auto ask = [this, &question](recognize::Backend::RecognitionDone told) {
    try {
      parts_.backend.recognize(std::move(question), std::move(told));
    } catch (...) {  // NOLINT(bugprone-empty-catch): the answer that went down with `told` has said it
    }
  };
  if (question.mode == "progressive") {
    const auto answers = std::make_shared<Progressive>(std::move(answer), parts_.stream_capacity);
    question.on_preview = [answers](const recognize::Recognition& shown) { answers->preview(shown); };
    return ask([&metrics = parts_.metrics, held = std::move(held), answers,
                begin = Clock::now()](const recognize::Recognition& recognition) {
      observe(metrics, recognition, begin);
      answers->end(recognition);
    });
  }
  auto done = [&metrics = parts_.metrics, held = std::move(held), answer = std::move(answer),
               begin = Clock::now()](recognize::Recognition recognition) mutable {
    try {
      observe(metrics, recognition, begin);
      HttpResponse response = response_of(held->head, recognition);
      held.reset();  // the body's memory is there for others before its sender hears of the answer
      answer(std::move(response));
    } catch (const std::exception&) {  // out of memory: `answer` says so when it is destroyed
    }
  };
  ask(std::move(done));
}

}  // namespace fovea::server
