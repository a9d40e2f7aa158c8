#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace fovea::metrics {

/// One HTTP request that has been answered.
struct RequestSample {
  std::string_view endpoint;  ///< the route's pattern, never the path as sent: labels must stay few
  std::string_view method;
  int status = 0;
  double seconds = 0;  ///< from its first byte to the end of the answer
  std::size_t bytes_in = 0;
  std::size_t bytes_out = 0;
};

/// One question that reached the backend, however it ended.
struct AnswerSample {
  std::string_view task;   ///< "chat" for conversations
  std::string_view model;  ///< empty: refused before a model was chosen
  std::string_view tier;   ///< the cache tier that had the answer; empty: computed
  std::string_view rule;   ///< the routing rule that chose the model; empty: none did
  std::string_view error;  ///< name of the error; empty: answered
  double seconds = 0;
};

/// What is counted and timed while serving, for Prometheus (`text()`) and for people (`summary()`): the same
/// figures. Units are seconds, bytes and tokens. Thread-safe; an observation takes about a microsecond and
/// never waits for a scrape.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void observe_request(const RequestSample& sample);
  void observe_answer(const AnswerSample& sample);
  /// Refused to protect the others: "overloaded", "rate_limited", "connections", "memory",
  /// "deadline_exceeded".
  void count_shed(std::string_view reason);
  void count_tokens(std::string_view model, std::size_t prompt, std::size_t cached, std::size_t completion);

  /// What the engine tells, per sequence or per step.
  void observe_queue_wait(double seconds);
  void observe_time_to_first_token(double seconds);
  void observe_time_per_token(double seconds);
  void observe_stage(std::string_view stage, double seconds);  ///< "image", "vision", "prefill", "decode"
  void observe_decode_batch(std::size_t sequences);
  void observe_vision_batch(std::size_t tiles);

  /// Prometheus's text format. `backend`: what Backend::stats() says now, see backend_figures.h.
  [[nodiscard]] std::string text(const nlohmann::ordered_json& backend) const;

  /// Metric by metric: values, and for histograms count, mean, p50, p95 and p99, the quantiles by linear
  /// interpolation inside a bucket as Prometheus's histogram_quantile does; then `backend` as it is.
  [[nodiscard]] nlohmann::ordered_json summary(const nlohmann::ordered_json& backend) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea::metrics
