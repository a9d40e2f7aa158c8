#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/http.h"

namespace fovea::server {

/// An RFC 9457 answer (application/problem+json): type `urn:fovea:error:<name>`, title, status, detail and
/// request_id. `retry_after_s` > 0 adds Retry-After.
HttpResponse problem(int status, std::string_view name, std::string_view detail, std::string_view request_id,
                     int retry_after_s = 0);

/// The same for an error of the library: its status and name are those of its code.
HttpResponse problem(const Error& error, std::string_view request_id);

}  // namespace fovea::server
