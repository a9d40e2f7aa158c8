#include "server/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <span>
#include <utility>

#include "server/index_page.h"
#include "server/json_text.h"
#include "server/multipart.h"
#include "server/problem.h"

namespace fovea::server {
namespace {

using Clock = std::chrono::steady_clock;

/// Seconds after which another instance, or this one restarted, should be there.
constexpr int kDrainRetryAfter = 5;

constexpr std::string_view kMultipart = "multipart/form-data";

/// The media type of a Content-Type value, without its parameters.
std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

bool is_multipart(const RequestHead& head) {
  const std::string* content_type = head.header("Content-Type");
  return content_type != nullptr && equal_ignoring_case(media_type(*content_type), kMultipart);
}

HttpResponse json_response(const nlohmann::ordered_json& value) {
  return {.status = 200,
          .content_type = "application/json",
          .body = json_text(value),
          .headers = {{"Cache-Control", "no-store"}}};
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

HttpResponse no_such_endpoint(const RequestHead& head) {
  return problem(404, "not_found", "no such endpoint; GET / lists those there are", head.request_id);
}

}  // namespace

struct Api::Route {
  std::string_view method;
  std::string_view path;
  HttpResponse (Api::*answer)(const RequestHead&) const;  ///< null: it computes, see recognize()
};

/// What was asked for, wherever in the request it stood. Points into the request.
struct Api::Upload {
  std::span<const std::byte> bytes;
  std::string file;
  std::string task;
};

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> table = {
      {"GET", "/", &Api::index},        {"GET", "/healthz", &Api::healthz},
      {"GET", "/readyz", &Api::readyz}, {"GET", "/v1/models", &Api::models},
      {"POST", "/recognize", nullptr},
  };
  return table;
}

const Api::Route* Api::find_route(std::string_view method, std::string_view path) {
  if (method == "HEAD") method = "GET";
  const auto found = std::ranges::find_if(
      routes(), [&](const Route& route) { return route.method == method && route.path == path; });
  return found == routes().end() ? nullptr : &*found;
}

Api::Api(recognize::Backend& backend, ComputeQueue& queue, const std::atomic<bool>& draining, Options options)
    : backend_(backend),
      queue_(queue),
      draining_(draining),
      options_(std::move(options)),
      models_(backend.models()),
      created_(std::time(nullptr)) {}

std::optional<HttpResponse> Api::refuse_early(const RequestHead& head) const {
  const Route* route = find_route(head.method, head.path);
  if (route == nullptr) {
    std::string allowed;
    for (const Route& other : routes()) {
      if (other.path == head.path) allowed = other.method == "GET" ? "GET, HEAD" : other.method;
    }
    if (allowed.empty()) return no_such_endpoint(head);
    auto response =
        problem(405, "method_not_allowed", fmt::format("this endpoint takes {}", allowed), head.request_id);
    response.headers.push_back({"Allow", allowed});
    return response;
  }
  if (head.content_length.value_or(0) > options_.max_body_bytes) return body_too_large(head);
  if (route->answer != nullptr) return std::nullopt;
  if (draining_) {
    return problem(503, "unavailable", "the server is shutting down", head.request_id, kDrainRetryAfter);
  }
  if (auto checked = check_recognize(head); !checked) return problem(checked.error(), head.request_id);
  if (queue_.full()) return queue_full(head.request_id);
  return std::nullopt;
}

HttpResponse Api::body_too_large(const RequestHead& head) const {
  return problem(413, "too_large",
                 fmt::format("the body is larger than the limit of {} bytes", options_.max_body_bytes),
                 head.request_id);
}

HttpResponse Api::queue_full(std::string_view request_id) const {
  return problem(429, "queue_full", "as many requests as may wait are waiting; try again later", request_id,
                 queue_.retry_after_s());
}

std::optional<ComputeQueue::Ticket> Api::handle(HttpRequest request, Answer answer) {
  const Route* route = find_route(request.head.method, request.head.path);
  if (route != nullptr && route->answer == nullptr) return recognize(std::move(request), std::move(answer));
  answer(route != nullptr ? (this->*route->answer)(request.head) : no_such_endpoint(request.head));
  return std::nullopt;
}

HttpResponse Api::index(const RequestHead& /*head*/) const {
  return {.status = 200,
          .content_type = "text/html; charset=utf-8",
          .body = std::string(kIndexPage),
          .headers = {
              {"Content-Security-Policy",
               "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"}}};
}

HttpResponse Api::healthz(const RequestHead& /*head*/) const {
  return json_response({{"status", "ok"}});
}

HttpResponse Api::readyz(const RequestHead& head) const {
  if (draining_) {
    return problem(503, "unavailable", "the server is shutting down", head.request_id, kDrainRetryAfter);
  }
  if (models_.empty()) {
    return problem(503, "unavailable", "no model is loaded", head.request_id, kDrainRetryAfter);
  }
  return json_response({{"status", "ready"}});
}

HttpResponse Api::models(const RequestHead& /*head*/) const {
  nlohmann::ordered_json list = {{"object", "list"}, {"data", nlohmann::ordered_json::array()}};
  for (const recognize::ModelInfo& model : models_) {
    list["data"].push_back(
        {{"id", model.id}, {"object", "model"}, {"created", created_}, {"owned_by", "fovea"}});
  }
  return json_response(list);
}

Result<void> Api::check_task(const std::string& task) const {
  if (backend_.has_task(task)) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown task \"{}\"; known: {}", task.substr(0, 64), joined(options_.task_names)));
}

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
                            media.substr(0, 64)));
  }
  const std::string* encoding = head.header("Content-Encoding");
  if (encoding != nullptr && !equal_ignoring_case(trim(*encoding), "identity")) {
    return fail(ErrorCode::kUnsupportedMedia, "a Content-Encoding is not read here; send the image as it is");
  }
  bool has_task = false;
  for (const Field& parameter : head.query) {
    if (parameter.name != "task") {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown query parameter \"{}\"; known: task", parameter.name.substr(0, 64)));
    }
    if (std::exchange(has_task, true)) {
      return fail(ErrorCode::kInvalidArgument, "the query parameter task is given more than once");
    }
    FOVEA_CHECK_OK(check_task(parameter.value));
  }
  return {};
}

Result<Api::Upload> Api::read_upload(const HttpRequest& request) const {
  Upload upload{.bytes = {}, .file = {}, .task = options_.default_task};
  bool has_task = !request.head.query.empty();
  if (has_task) upload.task = request.head.query.front().value;
  if (!is_multipart(request.head)) {
    upload.bytes = std::as_bytes(std::span(request.body));
    if (upload.bytes.empty()) return fail(ErrorCode::kInvalidArgument, "the body is empty; send an image");
    return upload;
  }
  FOVEA_TRY(const std::string boundary, multipart_boundary(*request.head.header("Content-Type")));
  FOVEA_TRY(const std::vector<Part> parts, parse_multipart(request.body, boundary));
  bool has_file = false;
  for (const Part& part : parts) {
    if (part.name == "file") {
      if (std::exchange(has_file, true)) {
        return fail(ErrorCode::kInvalidArgument, "more than one part \"file\"; send one image a request");
      }
      upload.bytes = std::as_bytes(std::span(part.body));
      upload.file = part.filename.value_or("");
    } else if (part.name == "task") {
      if (std::exchange(has_task, true))
        return fail(ErrorCode::kInvalidArgument, "task is given more than once");
      upload.task = part.body;
    } else {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown form field \"{}\"; known: file, task", part.name.substr(0, 64)));
    }
  }
  if (!has_file) return fail(ErrorCode::kInvalidArgument, "the form has no part \"file\" with the image");
  if (upload.bytes.empty()) return fail(ErrorCode::kInvalidArgument, "the part \"file\" is empty");
  FOVEA_CHECK_OK(check_task(upload.task));
  return upload;
}

std::optional<ComputeQueue::Ticket> Api::recognize(HttpRequest request, Answer answer) {
  // On the heap first: the upload points into the body, and moving a short string moves its characters.
  auto held = std::make_unique<HttpRequest>(std::move(request));
  const std::string request_id = held->head.request_id;
  auto upload = read_upload(*held);
  if (!upload) {
    answer(problem(upload.error(), request_id));
    return std::nullopt;
  }
  // Shared, because a refused job takes its copy down with it and the refusal still has to be answered.
  auto shared_answer = std::make_shared<Answer>(std::move(answer));
  const auto ticket = queue_.submit([this, held = std::move(held), upload = std::move(*upload), shared_answer,
                                     submitted = Clock::now()]() mutable {
    const std::chrono::duration<double, std::milli> waited = Clock::now() - submitted;
    HttpResponse response = run(*held, upload, waited.count());
    held.reset();  // the body's memory is there for others before its sender hears of the answer
    (*shared_answer)(std::move(response));
  });
  if (ticket) return *ticket;
  (*shared_answer)(
      ticket.error() == ComputeQueue::Refusal::kFull
          ? queue_full(request_id)
          : problem(503, "unavailable", "the server is shutting down", request_id, kDrainRetryAfter));
  return std::nullopt;
}

HttpResponse Api::run(const HttpRequest& request, const Upload& upload, double queue_ms) {
  const std::string& request_id = request.head.request_id;
  // A backend promises not to throw; one that breaks the promise must not take the server down.
  try {
    recognize::Recognition answer = backend_.recognize(
        {.request_id = request_id, .file = upload.file, .bytes = upload.bytes, .task = upload.task});
    answer.timings.queue_ms = queue_ms;
    answer.timings.total_ms += queue_ms;
    const nlohmann::ordered_json body = answer.to_json();
    if (answer.ok()) return json_response(body);
    // One document serves both readers: those of problem+json, and those of the recognition contract, whose
    // members stand in it as extension members.
    HttpResponse response = problem(*answer.error, request_id);
    auto document = nlohmann::ordered_json::parse(response.body);
    document.update(body);
    response.body = json_text(document);
    return response;
  } catch (const std::exception& error) {
    return problem(Error{ErrorCode::kInternal, fmt::format("the recogniser failed: {}", error.what())},
                   request_id);
  } catch (...) {
    return problem(Error{ErrorCode::kInternal, "the recogniser failed"}, request_id);
  }
}

}  // namespace fovea::server
