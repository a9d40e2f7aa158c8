#include "server/problem.h"

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace fovea::server {
namespace {

/// "invalid_image" -> "Invalid image".
std::string title_of(std::string_view name) {
  std::string title(name);
  for (char& c : title) {
    if (c == '_') c = ' ';
  }
  if (!title.empty() && title[0] >= 'a' && title[0] <= 'z')
    title[0] = static_cast<char>(title[0] - 'a' + 'A');
  return title;
}

/// The name that OpenAI's clients know a kind of error by.
std::string_view openai_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/// OpenAI's code where it has one, else ours.
std::string_view openai_code(std::string_view name) {
  if (name == "unauthorized") return "invalid_api_key";
  if (name == "rate_limited" || name == "overloaded") return "rate_limit_exceeded";
  if (name == "context_exceeded") return "context_length_exceeded";
  return name;
}

int retry_after(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kOverloaded ? kDefaultRetryAfter : 0;
}

}  // namespace

HttpResponse problem(int status, std::string_view name, std::string_view detail, std::string_view request_id,
                     int retry_after_s) {
  nlohmann::ordered_json body;
  body["type"] = "urn:fovea:error:" + std::string(name);
  body["title"] = title_of(name);
  body["status"] = status;
  body["detail"] = detail;
  body["request_id"] = request_id;
  HttpResponse response{.status = status,
                        .content_type = "application/problem+json",
                        .body = json_text(body),
                        .notes = {.error = std::string(name)}};
  if (retry_after_s > 0) response.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
  return response;
}

HttpResponse problem(const Error& error, std::string_view request_id) {
  return problem(http_status(error.code), error_name(error.code), error.message, request_id,
                 retry_after(error.code));
}

HttpResponse problem(const RequestHead& head, int status, std::string_view name, std::string_view detail,
                     int retry_after_s, std::string_view param) {
  if (!head.path.starts_with("/v1/")) return problem(status, name, detail, head.request_id, retry_after_s);
  if (status == 422) status = 400;  // what OpenAI says of pictures and prompts that cannot be used
  HttpResponse response{.status = status,
                        .content_type = "application/json",
                        .body = openai_error(status, name, detail, param) + "\n",
                        .notes = {.error = std::string(name)}};
  if (retry_after_s > 0) response.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
  return response;
}

HttpResponse problem(const RequestHead& head, const Error& error, int retry_after_s) {
  return problem(head, http_status(error.code), error_name(error.code), error.message,
                 retry_after_s > 0 ? retry_after_s : retry_after(error.code));
}

std::string openai_error(int status, std::string_view name, std::string_view message,
                         std::string_view param) {
  nlohmann::ordered_json error{{"message", message}, {"type", openai_type(status)}, {"param", nullptr}};
  if (!param.empty()) error["param"] = param;
  error["code"] = openai_code(name);
  return nlohmann::ordered_json{{"error", std::move(error)}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace fovea::server
