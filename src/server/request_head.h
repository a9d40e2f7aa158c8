#pragma once

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/request_id.h"
#include "server/http.h"
#include "server/problem.h"

// From what Beast has parsed to RequestHead, and what is wrong with it. A header, so that Beast is compiled
// in one place only.

namespace fovea::server {

namespace http = boost::beast::http;
using boost::system::error_code;

inline bool is_http_error(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category();
}

/// The answer to bytes that are not a request.
inline HttpResponse malformed(const error_code& error, const std::string& request_id) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return problem(431, "header_too_large", "the request line and headers are larger than the limit",
                   request_id);
  }
  if (error == http::error::bad_version) {
    return problem(505, "http_version_not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here", request_id);
  }
  return problem(400, "malformed_request", "not well-formed HTTP: " + error.message(), request_id);
}

/// Copies what was parsed, so that nothing a chunked body's trailer adds can change it.
inline RequestHead read_head(const http::request<http::buffer_body>& message,
                             std::optional<std::uint64_t> content_length) {
  RequestHead head;
  head.method = message.method_string();
  for (const auto& field : message) {
    head.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  head.content_length = content_length;
  const std::string* id = head.header("X-Request-Id");
  head.request_id = id != nullptr && is_acceptable_request_id(*id) ? *id : make_request_id();
  return head;
}

/// What is wrong with a head that could be parsed, whatever it asks for; completes it when nothing is.
inline std::optional<HttpResponse> check_head(const http::request<http::buffer_body>& message,
                                              RequestHead& head) {
  const auto bad = [&](std::string_view detail) {
    return problem(400, "malformed_request", detail, head.request_id);
  };
  if (message.version() != 10 && message.version() != 11)
    return malformed(http::error::bad_version, head.request_id);
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11))
    return bad("there must be exactly one Host header");
  if (message.count(http::field::content_type) > 1) return bad("more than one Content-Type header");
  if (const std::string* encoding = head.header("Transfer-Encoding")) {
    if (message.version() == 10) return bad("HTTP/1.0 has no Transfer-Encoding");
    if (!equal_ignoring_case(trim(*encoding), "chunked") ||
        message.count(http::field::transfer_encoding) > 1) {
      return problem(501, "not_implemented", "the only Transfer-Encoding understood is chunked",
                     head.request_id);
    }
  }
  if (const std::string* expect = head.header("Expect");
      expect && !equal_ignoring_case(*expect, "100-continue")) {
    return problem(417, "expectation_failed", "the only expectation understood is 100-continue",
                   head.request_id);
  }
  auto target = parse_target(message.target());
  if (!target) return bad("the request target is malformed: " + target.error().message);
  head.path = std::move(target->path);
  head.query = std::move(target->query);
  return std::nullopt;
}

}  // namespace fovea::server
