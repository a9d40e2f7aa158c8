#include "server/access_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace fovea::server {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void add(std::string& line, std::string_view name, std::string_view value) {
  if (!value.empty()) fmt::format_to(std::back_inserter(line), " {}={}", name, escape_for_log(value));
}

void add_quoted(std::string& line, std::string_view name, std::string_view value) {
  if (!value.empty()) fmt::format_to(std::back_inserter(line), " {}=\"{}\"", name, escape_for_log(value));
}

/// The method as a label: what callers invent must not make new series.
std::string_view method_label(std::string_view method) {
  constexpr std::array<std::string_view, 4> kKnown = {"GET", "HEAD", "POST", "OPTIONS"};
  return std::ranges::find(kKnown, method) == kKnown.end() ? "other" : method;
}

}  // namespace

std::string access_line(const AccessRecord& record) {
  std::string line =
      fmt::format("method={} path=\"{}\" status={} ms={:.2f} in={} out={} id={}",
                  escape_for_log(record.method, 32), escape_for_log(record.path), record.status,
                  seconds_since(record.begin) * 1000, record.bytes_in, record.bytes_out, record.request_id);
  add(line, "client", record.client);
  add(line, "task", record.notes.task);
  add(line, "model", record.notes.model);
  add(line, "rule", record.notes.rule);
  add_quoted(line, "why", record.notes.why);
  add(line, "cached", record.notes.cached);
  if (record.notes.prompt_tokens) add(line, "prompt_tokens", std::to_string(*record.notes.prompt_tokens));
  if (record.notes.completion_tokens) {
    add(line, "completion_tokens", std::to_string(*record.notes.completion_tokens));
  }
  add(line, "error", record.notes.error);
  if (!record.sent) line += " sent=false";
  return line;
}

void write_access(const AccessRecord& record, spdlog::logger& logger, metrics::Metrics& metrics) {
  metrics.observe_request({.endpoint = record.endpoint,
                           .method = method_label(record.method),
                           .status = record.status,
                           .seconds = seconds_since(record.begin),
                           .bytes_in = record.bytes_in,
                           .bytes_out = record.bytes_out});
  if (logger.should_log(spdlog::level::info)) logger.info(access_line(record));
}

}  // namespace fovea::server
