#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/body_stream.h"
#include "server/byte_budget.h"

namespace fovea::server {

/// One header field or one query parameter.
struct Field {
  std::string name;
  std::string value;
};

/// What is known of a request before its body is read.
struct RequestHead {
  std::string method = {};  ///< as sent
  std::string path = {};    ///< percent-decoded, without the query
  std::vector<Field> query = {};
  std::vector<Field> headers = {};
  std::optional<std::uint64_t> content_length = {};  ///< bytes; empty: no body, or a chunked one
  std::string request_id = {};                       ///< the caller's where it was acceptable, else made here
  std::string client = {};                           ///< the address it came from
  std::chrono::steady_clock::time_point received = std::chrono::steady_clock::now();  ///< its first byte

  /// The first header of that name, whatever its case; null when there is none.
  [[nodiscard]] const std::string* header(std::string_view name) const;
};

struct HttpRequest {
  RequestHead head;
  std::string body;
  ByteBudget::Lease body_lease;  ///< keeps the body's bytes counted for as long as they live
  std::stop_token stop;          ///< requested when the client has gone or the connection is closed
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<Field> headers = {};  ///< besides Content-Type, Content-Length, Connection, Date, X-Request-Id
  std::shared_ptr<BodyStream> stream =
      nullptr;              ///< set: the body is what comes out of it, and `body` is empty
  RequestNotes notes = {};  ///< for the log and the metrics
};

/// Receives the one answer to a request, on any thread.
using Answer = std::move_only_function<void(HttpResponse)>;

struct Target {
  std::string path;
  std::vector<Field> query;
};

/// Splits and percent-decodes a request target (`/path?name=value`, or the absolute form that proxies send).
/// Errors: kInvalidArgument.
Result<Target> parse_target(std::string_view target);

/// Percent-decodes `text`; `plus_is_space` as in queries. Errors: kInvalidArgument.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);

/// ASCII case-insensitive equality, which is what HTTP's names need whatever the locale.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// `text` without spaces and tabs at both ends.
std::string_view trim(std::string_view text);

/// True for an id that may be taken over from a caller: [A-Za-z0-9._-]{1,64}.
bool is_acceptable_request_id(std::string_view id);

/// How an answer is put on the wire.
struct WireOptions {
  bool keep_alive = true;
  bool http_1_0 = false;  ///< the caller must be told about a kept connection, and knows no chunks
};

/// The status line and the headers, with the empty line that ends them.
std::string serialize_head(const HttpResponse& response, const std::string& request_id,
                           const WireOptions& options);

/// `text` made safe for one log line: quotes, backslashes, control characters and bytes outside ASCII are
/// escaped, and what is longer than `max_bytes` is cut.
std::string escape_for_log(std::string_view text, std::size_t max_bytes = 256);

}  // namespace fovea::server
