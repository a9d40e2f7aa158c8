// POST /v1/chat/completions: OpenAI's wire format in front of Backend::chat().

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>
#include <variant>

#include "server/api.h"
#include "server/chat_answer.h"
#include "server/chat_request.h"
#include "server/json_text.h"
#include "server/problem.h"

namespace fovea::server {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

/// An error of the backend as OpenAI's clients know it.
HttpResponse chat_problem(const RequestHead& head, const Error& error, int retry_after_s) {
  if (error.code != ErrorCode::kNotFound) return problem(head, error, retry_after_s);
  return problem(head, 404, "model_not_found", error.message, 0, "model");
}

HttpResponse chat_fault(const RequestHead& head, const ChatFault& fault) {
  return problem(head, http_status(fault.error.code), error_name(fault.error.code), fault.error.message, 0,
                 fault.param);
}

/// Puts the bytes of the pictures that were named by URL where they belong.
std::expected<void, ChatFault> fetch_images(const ImageFetcher& fetcher, ChatCall& call) {
  for (const RemoteImage& image : call.remote) {
    auto bytes = fetcher.fetch(image.url, call.request.deadline, call.request.stop);
    if (!bytes) {
      Error error = std::move(bytes).error();
      error.message = fmt::format("{}: {}", image.param, error.message);
      return std::unexpected(ChatFault{.error = std::move(error), .param = image.param});
    }
    std::get<recognize::ImagePart>(call.request.turns[image.turn].content[image.part]).bytes =
        std::move(*bytes);
  }
  return {};
}

/// One conversation that is being answered: gathers what the backend says, or passes it on as it comes. The
/// backend's calls come one after the other, so nothing is locked.
class Conversation {
 public:
  Conversation(Answering answer, ChatFrame frame, const ChatCall& call, metrics::Metrics& metrics,
               std::size_t stream_capacity, ByteBudget::Lease body_lease)
      : answer_(std::move(answer)),
        frame_(std::move(frame)),
        streams_(call.request.stream),
        include_usage_(call.include_usage),
        logprobs_(call.request.sampling.logprobs ? Json::array() : Json()),
        metrics_(metrics),
        stream_capacity_(stream_capacity),
        body_lease_(std::move(body_lease)) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  /// Dropped by a backend that never said how it ended: a stream that has begun is ended with an error, and
  /// Answering sees to one that has not.
  ~Conversation() {
    if (stream_ && !ended_) end_stream_with(Error{ErrorCode::kInternal, "the model failed"}, notes({}));
  }

  void add(recognize::ChatDelta delta) {
    if (streams_) {
      if (!stream_) begin_stream();
      Json logprobs = logprobs_.is_null() ? Json() : logprobs_json(delta.logprobs);
      if (delta.text.empty() && delta.logprobs.empty()) return;
      send(chunk_json(frame_, {{"content", std::move(delta.text)}}, std::move(logprobs), nullptr));
      return;
    }
    text_ += delta.text;
    if (logprobs_.is_null()) return;
    for (Json& token : logprobs_json(delta.logprobs)) logprobs_.push_back(std::move(token));
  }

  void end(const recognize::ChatResult& result) {
    ended_ = true;
    observe(result);
    if (!result.model.empty()) frame_.model = result.model;
    if (result.error) {
      if (stream_) return end_stream_with(*result.error, notes(result));
      HttpResponse response = chat_problem(answer_.head(), *result.error, result.retry_after_s.value_or(0));
      response.notes = notes(result);
      return answer_(std::move(response));
    }
    if (!streams_) {
      HttpResponse response = json_response(completion_json(frame_, text_, std::move(logprobs_), result));
      response.notes = notes(result);
      return answer_(std::move(response));
    }
    if (!stream_) begin_stream();
    send(chunk_json(frame_, Json::object(), nullptr, finish_reason_name(result.finish_reason)));
    if (include_usage_) stream_->write("data: " + compact_json(usage_chunk_json(frame_, result)) + "\n\n");
    stream_->write("data: [DONE]\n\n");
    stream_->finish(notes(result));
  }

 private:
  void begin_stream() {
    stream_ = std::make_shared<BodyStream>(stream_capacity_);
    send(chunk_json(frame_, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr));
    answer_({.status = 200,
             .content_type = "text/event-stream; charset=utf-8",
             .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
             .stream = stream_});
  }

  void send(Json chunk) {
    if (include_usage_) chunk["usage"] = nullptr;
    stream_->write("data: " + compact_json(chunk) + "\n\n");
  }

  void end_stream_with(const Error& error, RequestNotes notes) {
    stream_->write("data: " + openai_error(http_status(error.code), error_name(error.code), error.message) +
                   "\n\n");
    stream_->finish(std::move(notes));
  }

  [[nodiscard]] RequestNotes notes(const recognize::ChatResult& result) const {
    RequestNotes notes;
    notes.task = "chat";
    notes.model = frame_.model;
    if (result.error) {
      notes.error = error_name(result.error->code);
    } else {
      notes.prompt_tokens = result.prompt_tokens;
      notes.completion_tokens = result.completion_tokens;
    }
    return notes;
  }

  void observe(const recognize::ChatResult& result) {
    const std::string_view error = result.error ? error_name(result.error->code) : "";
    const std::chrono::duration<double> took = Clock::now() - begin_;
    // Of an error the model may be what the caller made up, and labels must stay few.
    metrics_.observe_answer({.task = "chat",
                             .model = result.error ? std::string_view{} : result.model,
                             .tier = {},
                             .rule = {},
                             .error = error,
                             .seconds = took.count()});
    if (!result.error) {
      metrics_.count_tokens(result.model, result.prompt_tokens, result.cached_tokens,
                            result.completion_tokens);
    }
    if (result.error &&
        (result.error->code == ErrorCode::kOverloaded || result.error->code == ErrorCode::kDeadline)) {
      metrics_.count_shed(error);
    }
  }

  Answering answer_;
  ChatFrame frame_;
  const bool streams_;
  const bool include_usage_;
  std::string text_;
  Json logprobs_;  // null: not wanted
  std::shared_ptr<BodyStream> stream_;
  bool ended_ = false;
  metrics::Metrics& metrics_;
  const std::size_t stream_capacity_;
  ByteBudget::Lease body_lease_;  // the pictures take about what the body took
  const Clock::time_point begin_ = Clock::now();
};

}  // namespace

Result<void> Api::check_chat(const RequestHead& head) const {
  const std::string* content_type = head.header("Content-Type");
  const std::string_view media =
      content_type == nullptr ? "" : trim(std::string_view(*content_type).substr(0, content_type->find(';')));
  if (!equal_ignoring_case(media, "application/json")) {
    return fail(ErrorCode::kUnsupportedMedia, "the body must be JSON, with Content-Type: application/json");
  }
  const std::string* encoding = head.header("Content-Encoding");
  if (encoding != nullptr && !equal_ignoring_case(trim(*encoding), "identity")) {
    return fail(ErrorCode::kUnsupportedMedia, "a Content-Encoding is not read here; send the JSON as it is");
  }
  return {};
}

void Api::chat(HttpRequest request, Answering answer) {
  auto call = parse_chat_request(request.body, {.max_body_bytes = parts_.gate.policy()->max_body_bytes,
                                                .fetcher = fetching_ == nullptr ? nullptr : &fetcher_});
  if (!call) return answer(chat_fault(request.head, call.error()));
  request.body = {};  // what is wanted of it has been copied, and it may be large
  recognize::ChatRequest& question = call->request;
  question.request_id = request.head.request_id;
  question.stop = request.stop;
  if (call->deadline) question.deadline = request.head.received + *call->deadline;
  if (call->remote.empty())
    return converse(std::move(*call), std::move(answer), std::move(request.body_lease));

  // In a holder that both ways out can reach: a line that is full leaves the answer to give here.
  struct Waiting {
    ChatCall call;
    Answering answer;
    ByteBudget::Lease lease;
  };
  const auto waiting =
      std::make_shared<Waiting>(std::move(*call), std::move(answer), std::move(request.body_lease));
  const bool queued = fetching_->submit([this, waiting] {
    if (const auto fetched = fetch_images(fetcher_, waiting->call); !fetched) {
      return waiting->answer(chat_fault(waiting->answer.head(), fetched.error()));
    }
    converse(std::move(waiting->call), std::move(waiting->answer), std::move(waiting->lease));
  });
  if (queued) return;
  parts_.metrics.count_shed("overloaded");
  waiting->answer(problem(waiting->answer.head(), 429, "overloaded", "too many pictures wait to be fetched",
                          kDefaultRetryAfter));
}

void Api::converse(ChatCall call, Answering answer, ByteBudget::Lease body_lease) {
  recognize::ChatRequest& question = call.request;
  const auto models = parts_.backend.models();
  const auto chosen = std::ranges::find_if(models, [&](const recognize::ModelInfo& model) {
    return question.model.empty() || model.id == question.model;
  });
  ChatFrame frame{.id = "chatcmpl-" + question.request_id,
                  .model = question.model,
                  .fingerprint = {},
                  .created = std::time(nullptr)};
  if (chosen != models.end()) {
    frame.model = chosen->id;
    frame.fingerprint = chosen->version;
  }
  const auto conversation =
      std::make_shared<Conversation>(std::move(answer), std::move(frame), call, parts_.metrics,
                                     parts_.stream_capacity, std::move(body_lease));
  recognize::ChatListener listener;
  listener.on_delta = [conversation](recognize::ChatDelta delta) { conversation->add(std::move(delta)); };
  listener.on_done = [conversation](const recognize::ChatResult& result) { conversation->end(result); };
  // A backend promises not to throw; one that breaks the promise must not take the server down.
  try {
    parts_.backend.chat(std::move(question), std::move(listener));
  } catch (...) {  // NOLINT(bugprone-empty-catch): the conversation that nobody holds any more has said it
  }
}

}  // namespace fovea::server
