#include "server/problem.h"

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace fovea::server {
namespace {

/// Seconds after which to try again when nothing better is known.
constexpr int kDefaultRetryAfter = 5;

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

}  // namespace

HttpResponse problem(int status, std::string_view name, std::string_view detail, std::string_view request_id,
                     int retry_after_s) {
  nlohmann::ordered_json body;
  body["type"] = "urn:fovea:error:" + std::string(name);
  body["title"] = title_of(name);
  body["status"] = status;
  body["detail"] = detail;
  body["request_id"] = request_id;
  HttpResponse response{
      .status = status, .content_type = "application/problem+json", .body = json_text(body), .headers = {}};
  if (retry_after_s > 0) response.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
  return response;
}

HttpResponse problem(const Error& error, std::string_view request_id) {
  return problem(http_status(error.code), error_name(error.code), error.message, request_id,
                 error.code == ErrorCode::kUnavailable ? kDefaultRetryAfter : 0);
}

}  // namespace fovea::server
