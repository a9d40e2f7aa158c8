#include "server/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "server/index_page.h"
#include "server/json_text.h"
#include "server/problem.h"

namespace fovea::server {
namespace {

constexpr std::size_t kMaxWaitingReviews = 32;
constexpr std::size_t kFetchThreads = 4;
constexpr std::size_t kMaxWaitingFetches = 64;

}  // namespace

/// One endpoint. A path that ends with "*" stands for all that begin like it.
struct Api::Route {
  std::string_view method;
  std::string_view path;
  Access access = Access::kKey;
  HttpResponse (Api::*answer)(const RequestHead&) const =
      nullptr;                                             ///< either this, which looks at the head only,
  void (Api::*compute)(HttpRequest, Answering) = nullptr;  ///< or this, with
  Result<void> (Api::*check)(const RequestHead&) const =
      nullptr;  ///< what is checked before the body is read

  [[nodiscard]] bool matches(std::string_view other) const {
    if (!path.ends_with('*')) return path == other;
    const std::string_view prefix = path.substr(0, path.size() - 1);
    return other.size() > prefix.size() && other.starts_with(prefix);
  }
};

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> table = {
      {.method = "GET", .path = "/", .access = Access::kOpen, .answer = &Api::index},
      {.method = "GET", .path = "/healthz", .access = Access::kOpen, .answer = &Api::healthz},
      {.method = "GET", .path = "/readyz", .access = Access::kOpen, .answer = &Api::readyz},
      {.method = "GET", .path = "/metrics", .access = Access::kMetrics, .answer = &Api::metrics_text},
      {.method = "GET", .path = "/stats", .access = Access::kMetrics, .answer = &Api::stats},
      {.method = "GET", .path = "/v1/models", .answer = &Api::models},
      {.method = "GET", .path = "/v1/models/*", .answer = &Api::model},
      {.method = "POST", .path = "/v1/chat/completions", .compute = &Api::chat, .check = &Api::check_chat},
      {.method = "POST", .path = "/recognize", .compute = &Api::recognize, .check = &Api::check_recognize},
      {.method = "POST", .path = "/predict", .compute = &Api::recognize, .check = &Api::check_recognize},
      {.method = "POST",
       .path = "/predict/standard",
       .compute = &Api::recognize,
       .check = &Api::check_recognize},
      {.method = "POST",
       .path = "/predict/spatial",
       .compute = &Api::recognize,
       .check = &Api::check_recognize},
      {.method = "POST", .path = "/classify", .compute = &Api::recognize, .check = &Api::check_recognize},
      {.method = "GET", .path = "/reviews", .compute = &Api::reviews, .check = &Api::check_reviews},
      {.method = "GET", .path = "/reviews/*", .compute = &Api::reviews, .check = &Api::check_reviews},
      {.method = "POST", .path = "/reviews/*", .compute = &Api::reviews, .check = &Api::check_reviews},
      {.method = "POST", .path = "/admin/drain", .access = Access::kAdmin, .answer = &Api::admin_drain},
      {.method = "GET", .path = "/admin/breakers", .access = Access::kAdmin, .answer = &Api::admin_breakers},
      {.method = "POST",
       .path = "/admin/breakers/*",
       .access = Access::kAdmin,
       .answer = &Api::admin_operate},
  };
  return table;
}

const Api::Route* Api::find_route(std::string_view method, std::string_view path) {
  if (method == "HEAD") method = "GET";
  const auto found = std::ranges::find_if(
      routes(), [&](const Route& route) { return route.method == method && route.matches(path); });
  return found == routes().end() ? nullptr : &*found;
}

std::string Api::allowed_methods(std::string_view path) {
  std::string allowed;
  for (const Route& route : routes()) {
    if (!route.matches(path)) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += route.method == "GET" ? "GET, HEAD" : route.method;
  }
  return allowed;
}

std::string_view Api::endpoint_of(const RequestHead& head) {
  const Route* route = find_route(head.method, head.path);
  return route == nullptr ? "other" : route->path;
}

Api::Api(Parts parts)
    : parts_(std::move(parts)),
      task_names_(parts_.backend.task_names()),
      created_(std::time(nullptr)),
      reviews_thread_(parts_.reviews == nullptr ? nullptr
                                                : std::make_unique<SideThreads>(1, kMaxWaitingReviews)),
      fetcher_(parts_.images),
      fetching_(parts_.images.hosts.empty()
                    ? nullptr
                    : std::make_unique<SideThreads>(kFetchThreads, kMaxWaitingFetches)) {}

std::optional<HttpResponse> Api::refuse_early(const RequestHead& head) const {
  const Route* route = find_route(head.method, head.path);
  if (route == nullptr) {
    const std::string allowed = allowed_methods(head.path);
    if (allowed.empty()) {
      return problem(head, 404, "not_found", "no such endpoint; GET / lists those there are");
    }
    auto response = problem(head, 405, "method_not_allowed", fmt::format("this endpoint takes {}", allowed));
    response.headers.push_back({"Allow", allowed});
    return response;
  }
  if (auto refused = parts_.gate.check(head, route->access)) {
    if (refused->status == 429) parts_.metrics.count_shed("rate_limited");
    return refused;
  }
  if (head.content_length.value_or(0) > parts_.gate.policy()->max_body_bytes) return body_too_large(head);
  if (route->answer != nullptr) return std::nullopt;
  if (parts_.draining) return shutting_down(head);
  if (route->check != nullptr) {
    if (auto checked = (this->*route->check)(head); !checked) return problem(head, checked.error());
  }
  return std::nullopt;
}

HttpResponse Api::body_too_large(const RequestHead& head) const {
  return problem(
      head, 413, "too_large",
      fmt::format("the body is larger than the limit of {} bytes", parts_.gate.policy()->max_body_bytes));
}

HttpResponse Api::shutting_down(const RequestHead& head) const {
  return problem(head, 503, "unavailable", "the server is shutting down", kDefaultRetryAfter);
}

void Api::handle(HttpRequest request, Answer answer) {
  const Route* route = find_route(request.head.method, request.head.path);
  if (route == nullptr) {
    answer(problem(request.head, 404, "not_found", "no such endpoint"));
  } else if (route->answer != nullptr) {
    answer((this->*route->answer)(request.head));
  } else {
    // Only what names the request is kept beside it: the error that may have to be told is told with these.
    RequestHead head{.path = request.head.path, .request_id = request.head.request_id};
    (this->*route->compute)(std::move(request),
                            Answering(std::move(answer), std::move(head), parts_.in_flight));
  }
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
  if (parts_.draining) return shutting_down(head);
  const recognize::Readiness readiness = parts_.backend.readiness();
  if (!readiness.ready) {
    HttpResponse response = problem(head, 503, "unavailable", readiness.why, kDefaultRetryAfter);
    add_members(response, {{"details", readiness.details}});
    return response;
  }
  nlohmann::ordered_json body{{"status", "ready"}};
  if (!readiness.details.is_null()) body["details"] = readiness.details;
  return json_response(body);
}

HttpResponse Api::metrics_text(const RequestHead& /*head*/) const {
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = parts_.metrics.text(parts_.backend.stats()),
          .headers = {{"Cache-Control", "no-store"}}};
}

HttpResponse Api::stats(const RequestHead& /*head*/) const {
  nlohmann::ordered_json body{{"uptime_s", std::time(nullptr) - created_}};
  body.update(parts_.metrics.summary(parts_.backend.stats()));
  return json_response(body);
}

nlohmann::ordered_json Api::model_object(const recognize::ModelInfo& model) const {
  return {{"id", model.id},
          {"object", "model"},
          {"created", created_},
          {"owned_by", "fovea"},
          {"version", model.version}};
}

HttpResponse Api::models(const RequestHead& /*head*/) const {
  nlohmann::ordered_json list = {{"object", "list"}, {"data", nlohmann::ordered_json::array()}};
  for (const recognize::ModelInfo& model : parts_.backend.models())
    list["data"].push_back(model_object(model));
  return json_response(list);
}

HttpResponse Api::model(const RequestHead& head) const {
  const std::string_view id = std::string_view(head.path).substr(std::string_view("/v1/models/").size());
  for (const recognize::ModelInfo& model : parts_.backend.models()) {
    if (model.id == id) return json_response(model_object(model));
  }
  return problem(head, 404, "model_not_found",
                 fmt::format("the model \"{}\" is not loaded here", id.substr(0, 64)), 0, "model");
}

HttpResponse Api::admin_breakers(const RequestHead& /*head*/) const {
  return json_response(parts_.backend.breakers());
}

/// POST /admin/breakers/MODEL/off?why=…, …/on, …/close.
HttpResponse Api::admin_operate(const RequestHead& head) const {
  constexpr std::array<std::pair<std::string_view, recognize::ModelSwitch>, 3> kActions = {
      {{"off", recognize::ModelSwitch::kOff},
       {"on", recognize::ModelSwitch::kOn},
       {"close", recognize::ModelSwitch::kCloseBreaker}}};
  std::string_view rest = std::string_view(head.path).substr(std::string_view("/admin/breakers/").size());
  const std::size_t slash = rest.rfind('/');
  const auto action =
      std::ranges::find(kActions, slash == std::string_view::npos ? "" : rest.substr(slash + 1),
                        &std::pair<std::string_view, recognize::ModelSwitch>::first);
  if (action == kActions.end()) {
    return problem(head, 404, "not_found", "expected /admin/breakers/MODEL/off, …/on or …/close");
  }
  std::string why = "an operator's word";
  for (const Field& field : head.query) {
    if (field.name == "why") why = field.value.substr(0, 200);
  }
  if (const auto done = parts_.backend.operate(std::string(rest.substr(0, slash)), action->second, why);
      !done) {
    return problem(head, done.error());
  }
  return json_response(parts_.backend.breakers());
}

HttpResponse Api::admin_drain(const RequestHead& /*head*/) const {
  parts_.drain();
  HttpResponse response = json_response({{"status", "draining"}});
  response.status = 202;
  return response;
}

}  // namespace fovea::server
