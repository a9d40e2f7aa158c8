#include "metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <iterator>
#include <vector>

#include "metrics/backend_figures.h"
#include "metrics/process_figures.h"
#include "metrics/summary.h"

namespace fovea::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::MetricFamily;
using Bounds = Histogram::BucketBoundaries;

/// From a cache hit (0.1 ms) to a long answer (a minute); 1, 2.5, 5 in each decade.
const Bounds kRequestSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
/// A token takes between a fraction of a millisecond and, on a loaded machine, a second.
const Bounds kTokenSeconds = {0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015,
                              0.02,   0.03,  0.05,  0.075, 0.1,   0.2,    0.5,  1};
const Bounds kBatch = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128};
const Bounds kRequestBytes = {1e3, 1e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2e7, 1e8};

std::string label(std::string_view text) {
  return text.empty() ? "none" : std::string(text);
}

}  // namespace

struct Metrics::Impl {
  Family<Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  /// Everything that is known now.
  std::vector<MetricFamily> collect(const nlohmann::ordered_json& backend) const {
    std::vector<MetricFamily> all = registry.Collect();
    for (auto more : {backend_figures(backend), process_figures()}) {
      std::move(more.begin(), more.end(), std::back_inserter(all));
    }
    // A family that has not seen anything yet would be a heading without lines.
    std::erase_if(all, [](const MetricFamily& family) { return family.metric.empty(); });
    return all;
  }

  prometheus::Registry registry;
  Family<Counter>& requests = counter("fovea_http_requests_total", "Requests that were answered");
  Family<Histogram>& request_seconds = histogram("fovea_http_request_duration_seconds",
                                                 "From a request's first byte to the end of its answer");
  Histogram& request_bytes =
      histogram("fovea_http_request_size_bytes", "Size of request bodies").Add({}, kRequestBytes);
  Counter& response_bytes =
      counter("fovea_http_response_bytes_total", "Bytes of answers' bodies that were sent").Add({});
  Family<Counter>& errors = counter("fovea_errors_total", "Questions that ended with an error, by its type");
  Family<Histogram>& answer_seconds =
      histogram("fovea_answer_duration_seconds",
                "From a question reaching the backend to its answer; tier none: computed");
  Family<Counter>& decisions = counter("fovea_decisions_total", "Models chosen, by routing rule");
  Family<Counter>& shed = counter("fovea_shed_total", "Requests refused to protect the others, by reason");
  Family<Counter>& tokens = counter("fovea_tokens_total", "Tokens of prompts and of answers");
  Histogram& queue_wait = histogram("fovea_queue_wait_seconds", "How long requests waited for the engine")
                              .Add({}, kRequestSeconds);
  Histogram& first_token =
      histogram("fovea_time_to_first_token_seconds", "From a request reaching the engine to its first token")
          .Add({}, kRequestSeconds);
  Histogram& per_token =
      histogram("fovea_time_per_token_seconds", "Between one token of an answer and the next")
          .Add({}, kTokenSeconds);
  Family<Histogram>& stages =
      histogram("fovea_stage_duration_seconds", "Parts of an answer: image, vision, prefill, decode");
  Histogram& decode_batch =
      histogram("fovea_decode_batch_sequences", "Sequences that were decoded in one step").Add({}, kBatch);
  Histogram& vision_batch =
      histogram("fovea_vision_batch_tiles", "Image tiles that went through the vision tower together")
          .Add({}, kBatch);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}

Metrics::~Metrics() = default;

void Metrics::observe_request(const RequestSample& sample) {
  const std::string endpoint = label(sample.endpoint);
  impl_->requests
      .Add({{"endpoint", endpoint},
            {"method", label(sample.method)},
            {"status", std::to_string(sample.status)}})
      .Increment();
  impl_->request_seconds.Add({{"endpoint", endpoint}}, kRequestSeconds).Observe(sample.seconds);
  if (sample.bytes_in > 0) impl_->request_bytes.Observe(static_cast<double>(sample.bytes_in));
  impl_->response_bytes.Increment(static_cast<double>(sample.bytes_out));
}

void Metrics::observe_answer(const AnswerSample& sample) {
  if (!sample.error.empty()) impl_->errors.Add({{"type", std::string(sample.error)}}).Increment();
  if (sample.model.empty()) return;
  impl_->answer_seconds
      .Add({{"task", label(sample.task)}, {"model", std::string(sample.model)}, {"tier", label(sample.tier)}},
           kRequestSeconds)
      .Observe(sample.seconds);
  if (!sample.rule.empty()) {
    impl_->decisions.Add({{"rule", std::string(sample.rule)}, {"model", std::string(sample.model)}})
        .Increment();
  }
}

void Metrics::count_shed(std::string_view reason) {
  impl_->shed.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::count_tokens(std::string_view model, std::size_t prompt, std::size_t cached,
                           std::size_t completion) {
  const auto add = [&](const char* kind, std::size_t count) {
    if (count == 0) return;
    impl_->tokens.Add({{"kind", kind}, {"model", label(model)}}).Increment(static_cast<double>(count));
  };
  add("prompt", prompt);
  add("prompt_cached", cached);
  add("completion", completion);
}

void Metrics::observe_queue_wait(double seconds) {
  impl_->queue_wait.Observe(seconds);
}

void Metrics::observe_time_to_first_token(double seconds) {
  impl_->first_token.Observe(seconds);
}

void Metrics::observe_time_per_token(double seconds) {
  impl_->per_token.Observe(seconds);
}

void Metrics::observe_stage(std::string_view stage, double seconds) {
  impl_->stages.Add({{"stage", std::string(stage)}}, kRequestSeconds).Observe(seconds);
}

void Metrics::observe_decode_batch(std::size_t sequences) {
  impl_->decode_batch.Observe(static_cast<double>(sequences));
}

void Metrics::observe_vision_batch(std::size_t tiles) {
  impl_->vision_batch.Observe(static_cast<double>(tiles));
}

std::string Metrics::text(const nlohmann::ordered_json& backend) const {
  return prometheus::TextSerializer().Serialize(impl_->collect(backend));
}

nlohmann::ordered_json Metrics::summary(const nlohmann::ordered_json& backend) const {
  nlohmann::ordered_json summary{{"metrics", summarize(impl_->collect(backend))}};
  summary["backend"] = backend;
  return summary;
}

}  // namespace fovea::metrics
