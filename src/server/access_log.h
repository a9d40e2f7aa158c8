#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "metrics/metrics.h"
#include "server/http.h"

namespace spdlog {
class logger;
}

namespace fovea::server {

/// What is remembered of one request until it has been answered, for its line in the log and its metrics.
struct AccessRecord {
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  std::string method = "-";
  std::string path = "-";
  std::string_view endpoint = "other";
  std::string request_id = {};
  std::string client = {};
  std::size_t bytes_in = 0;   ///< of the body
  std::size_t bytes_out = 0;  ///< of the answer's body
  int status = 0;
  bool sent = true;  ///< false: the answer did not reach the client whole
  RequestNotes notes = {};
};

/// One line of `name=value` pairs: time and status first, then what is known of the answer. Values from
/// outside are quoted and escaped; pictures, prompts and answers are never logged.
std::string access_line(const AccessRecord& record);

/// Writes the line and counts the request.
void write_access(const AccessRecord& record, spdlog::logger& logger, metrics::Metrics& metrics);

}  // namespace fovea::server
