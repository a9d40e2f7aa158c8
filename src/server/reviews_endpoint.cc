// /reviews: readings that wait for a person, and what the person says.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "base/json.h"
#include "server/api.h"
#include "server/json_text.h"
#include "server/problem.h"
#include "server/review_desk.h"

namespace fovea::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "/reviews/";
constexpr std::size_t kMaxDecisionBytes = 100'000;
constexpr std::int64_t kMostListed = 1000;
constexpr std::int64_t kUsuallyListed = 100;

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<std::int64_t> whole_number(std::string_view name, std::string_view text, std::int64_t low,
                                  std::int64_t high) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    return invalid(fmt::format("{} must be a whole number from {} to {}", name, low, high));
  }
  return value;
}

/// "/reviews/7/image" taken apart.
struct ReviewPath {
  std::int64_t id = 0;
  std::string_view action;  ///< empty: the review itself
};

Result<ReviewPath> review_path(std::string_view path) {
  path.remove_prefix(kPrefix.size());
  const auto slash = std::min(path.find('/'), path.size());
  const auto id = whole_number("id", path.substr(0, slash), 1, INT64_MAX);
  if (!id) return fail(ErrorCode::kNotFound, "a review has a whole number: /reviews/7");
  return ReviewPath{.id = *id, .action = path.substr(std::min(path.size(), slash + 1))};
}

/// The type of a picture file by its first bytes: what it was sent as is not kept.
std::string picture_type(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG")) return "image/png";
  if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (bytes.starts_with("RIFF") && bytes.substr(8).starts_with("WEBP")) return "image/webp";
  return "application/octet-stream";
}

Result<HttpResponse> list(ReviewDesk& desk, const RequestHead& head) {
  std::string state;
  std::int64_t limit = kUsuallyListed;
  std::int64_t after = 0;
  for (const Field& field : head.query) {
    if (field.name == "state") {
      state = field.value;
    } else if (field.name == "limit") {
      FOVEA_TRY(limit, whole_number("limit", field.value, 1, kMostListed));
    } else if (field.name == "after") {
      FOVEA_TRY(after, whole_number("after", field.value, 0, INT64_MAX));
    } else {
      return invalid(fmt::format("unknown query parameter \"{}\"; known: state, limit, after",
                                 field.name.substr(0, 64)));
    }
  }
  FOVEA_TRY(const Json page, desk.list(state, static_cast<std::size_t>(limit), after));
  return json_response(page);
}

Result<HttpResponse> show(ReviewDesk& desk, const ReviewPath& path) {
  if (path.action.empty()) {
    FOVEA_TRY(const Json review, desk.get(path.id));
    return json_response(review);
  }
  if (path.action != "image")
    return fail(ErrorCode::kNotFound, "a review has an image and nothing else to get");
  FOVEA_TRY(std::string picture, desk.picture(path.id));
  HttpResponse response{.status = 200, .content_type = picture_type(picture), .body = std::move(picture)};
  response.headers.push_back({"Cache-Control", "private, no-store"});
  response.headers.push_back({"Content-Security-Policy", "default-src 'none'; sandbox"});
  return response;
}

/// A member of a decision; null when it is missing. Errors: kInvalidArgument for another type.
Result<const Json*> member(const Json& body, const char* name, Json::value_t type) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return nullptr;
  if (found->type() != type) return invalid(fmt::format("{} has the wrong type", name));
  return &*found;
}

Result<HttpResponse> decide(ReviewDesk& desk, const ReviewPath& path, std::string_view text) {
  FOVEA_TRY(const Json body,
            parse_ordered_json(text, "request body", {.max_bytes = kMaxDecisionBytes, .max_depth = 16}));
  if (!body.is_object()) return invalid("the body must be a JSON object");
  for (const auto& [key, value] : body.items()) {
    if (key != "who" && key != "supersede" && key != "fields" && key != "reason") {
      return invalid(
          fmt::format("unknown member \"{}\"; known: who, supersede, fields, reason", key.substr(0, 64)));
    }
  }
  FOVEA_TRY(const Json* who, member(body, "who", Json::value_t::string));
  FOVEA_TRY(const Json* supersede, member(body, "supersede", Json::value_t::boolean));
  FOVEA_TRY(const Json* fields, member(body, "fields", Json::value_t::object));
  FOVEA_TRY(const Json* reason, member(body, "reason", Json::value_t::string));
  const ReviewDesk::Decision decision{.who = who == nullptr ? std::string() : who->get<std::string>(),
                                      .supersede = supersede != nullptr && supersede->get<bool>()};
  if (decision.who.empty()) return invalid("who decides? \"who\" is a name for the history");
  const bool wants_fields = path.action == "correct";
  const bool wants_reason = path.action == "reject";
  if (wants_fields != (fields != nullptr))
    return invalid("\"fields\" go with correct, and with nothing else");
  if (wants_reason != (reason != nullptr))
    return invalid("\"reason\" goes with reject, and with nothing else");
  auto review = wants_fields   ? desk.correct(path.id, *fields, decision)
                : wants_reason ? desk.reject(path.id, reason->get<std::string>(), decision)
                               : desk.accept(path.id, decision);
  if (!review) return std::unexpected(std::move(review).error());
  return json_response(*review);
}

Result<HttpResponse> respond(ReviewDesk& desk, const HttpRequest& request) {
  if (request.head.path + "/" == kPrefix) return list(desk, request.head);
  FOVEA_TRY(const ReviewPath path, review_path(request.head.path));
  if (request.head.method != "POST") return show(desk, path);
  if (path.action != "accept" && path.action != "correct" && path.action != "reject") {
    return fail(ErrorCode::kNotFound, "a review is decided by accept, correct or reject");
  }
  return decide(desk, path, request.body);
}

}  // namespace

Result<void> Api::check_reviews(const RequestHead& head) const {
  if (parts_.reviews == nullptr) return fail(ErrorCode::kNotFound, "this server keeps no reviews");
  if (head.content_length.value_or(0) > kMaxDecisionBytes) {
    return fail(ErrorCode::kTooLarge, fmt::format("a decision has at most {} bytes", kMaxDecisionBytes));
  }
  return {};
}

void Api::reviews(HttpRequest request, Answering answer) {
  const RequestHead head = answer.head();
  const auto shared = std::make_shared<Answering>(std::move(answer));
  const bool taken = reviews_thread_->submit([desk = parts_.reviews, request = std::move(request), shared] {
    try {
      auto response = respond(*desk, request);
      (*shared)(response ? std::move(*response) : problem(request.head, response.error()));
    } catch (
        const std::exception&) {  // NOLINT(bugprone-empty-catch): out of memory; the answer says so by itself
    }
  });
  if (!taken) (*shared)(problem(head, Error{ErrorCode::kOverloaded, "too many wait for the review queue"}));
}

}  // namespace fovea::server
