#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/http.h"

namespace fovea::server {

/// Seconds after which another instance, or this one restarted, should be there.
inline constexpr int kDefaultRetryAfter = 5;

/// An RFC 9457 answer (application/problem+json): type `urn:fovea:error:<name>`, title, status, detail and
/// request_id. `retry_after_s` > 0 adds Retry-After.
HttpResponse problem(int status, std::string_view name, std::string_view detail, std::string_view request_id,
                     int retry_after_s = 0);

/// The same for an error of the library: its status and name are those of its code.
HttpResponse problem(const Error& error, std::string_view request_id);

/// The same in the form that the path's callers understand: under /v1/ that of OpenAI,
/// `{"error": {"message", "type", "param", "code"}}`. `param`: the parameter that is at fault, where one is.
HttpResponse problem(const RequestHead& head, int status, std::string_view name, std::string_view detail,
                     int retry_after_s = 0, std::string_view param = {});

/// The same for an error of the library. `retry_after_s` 0: a usual time where waiting helps.
HttpResponse problem(const RequestHead& head, const Error& error, int retry_after_s = 0);

/// OpenAI's error object, as an answer or an event of a stream has it.
std::string openai_error(int status, std::string_view name, std::string_view message,
                         std::string_view param = {});

}  // namespace fovea::server
