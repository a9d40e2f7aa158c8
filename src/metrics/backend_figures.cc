#include "metrics/backend_figures.h"

#include <prometheus/metric_family.h>

#include <array>
#include <string>
#include <string_view>

namespace fovea::metrics {
namespace {

using Json = nlohmann::ordered_json;

struct Figure {
  std::string_view path;  ///< members, dot by dot; one of them may be `*`
  std::string_view name;
  std::string_view label;  ///< what `*` becomes
  prometheus::MetricType type = prometheus::MetricType::Gauge;
  std::string_view help;
};

constexpr auto kCounter = prometheus::MetricType::Counter;
constexpr auto kGauge = prometheus::MetricType::Gauge;

constexpr std::array kFigures = std::to_array<Figure>({
    {"queue.waiting.*", "fovea_queue_depth", "priority", kGauge,
     "Requests that wait for the engine, by the priority they came with"},
    {"queue.running", "fovea_sequences_running", "", kGauge, "Sequences that are being answered"},
    {"kv.used_bytes", "fovea_kv_used_bytes", "", kGauge, "Key and value memory in use"},
    {"kv.budget_bytes", "fovea_kv_budget_bytes", "", kGauge, "Key and value memory there is"},
    {"cache.*.hits", "fovea_cache_hits_total", "tier", kCounter, "Answers that a cache tier had"},
    {"cache.*.misses", "fovea_cache_misses_total", "tier", kCounter,
     "Answers that a cache tier was asked for and had not"},
    {"cache.*.errors", "fovea_cache_errors_total", "tier", kCounter, "Failures of a cache tier"},
    {"cache.*.skipped", "fovea_cache_skipped_total", "tier", kCounter,
     "Lookups that did not ask a cache tier, because it was down or overloaded"},
    {"cache.*.timeouts", "fovea_cache_timeouts_total", "tier", kCounter,
     "Lookups in a cache tier that were given up at their deadline"},
    {"cache.*.dropped_writes", "fovea_cache_dropped_writes_total", "tier", kCounter,
     "Answers that a cache tier was to store and did not"},
    {"cache.*.entries", "fovea_cache_entries", "tier", kGauge, "Answers in a cache tier"},
    {"cache.*.bytes", "fovea_cache_used_bytes", "tier", kGauge, "Memory that a cache tier takes"},
    {"cache.*.state", "fovea_cache_available", "tier", kGauge, "Whether a cache tier can be used: 1 or 0"},
    {"single_flight.shared", "fovea_single_flight_shared_total", "", kCounter,
     "Requests that were given the answer of an equal one in flight"},
    {"vision.tiles", "fovea_vision_tiles_total", "", kCounter, "Image tiles that were needed"},
    {"vision.reused_tiles", "fovea_vision_reused_tiles_total", "", kCounter,
     "Image tiles whose embeddings were there already"},
    {"vision.cache_bytes", "fovea_vision_cache_used_bytes", "", kGauge,
     "Memory of the cached tile embeddings"},
    {"prefix.reused_tokens", "fovea_prefix_reused_tokens_total", "", kCounter,
     "Prompt tokens whose keys and values were there already"},
    {"model.*.resident_bytes", "fovea_model_resident_bytes", "model", kGauge,
     "Weights of a loaded model as its checkpoint stores them; a language model's are mapped, and copies in "
     "another precision come on top"},
    {"router.models.*.calls", "fovea_model_calls_total", "model", kCounter,
     "Calls that the router made to a model, shadow calls too"},
    {"router.models.*.errors", "fovea_model_call_errors_total", "model", kCounter,
     "Calls to a model that failed or took too long"},
    {"router.models.*.timeouts", "fovea_model_call_timeouts_total", "model", kCounter,
     "Calls to a model that took too long"},
    {"router.models.*.retries", "fovea_model_call_retries_total", "model", kCounter,
     "Calls to a model that were a second try"},
    {"router.models.*.left_out", "fovea_model_left_out_total", "model", kCounter,
     "Times that a model was due and not asked: turned off, or its breaker was open"},
    {"router.models.*.admits_calls", "fovea_model_admits_calls", "model", kGauge,
     "Whether a model may be asked: 0 while its breaker is open or it is turned off"},
    {"router.models.*.opened", "fovea_breaker_opened_total", "model", kCounter,
     "Times that a model's breaker opened"},
    {"router.tasks.*.requests", "fovea_routed_requests_total", "task", kCounter,
     "Requests that the router took"},
    {"router.tasks.*.escalated", "fovea_routed_escalated_total", "task", kCounter,
     "Cascades that went on to the next model"},
    {"router.tasks.*.fallbacks", "fovea_routed_fallbacks_total", "task", kCounter,
     "Requests that a model answered which the plan had not chosen"},
    {"router.tasks.*.degraded", "fovea_routed_degraded_total", "task", kCounter,
     "Requests that were answered otherwise than the plan wanted"},
    {"router.tasks.*.failed", "fovea_routed_failed_total", "task", kCounter,
     "Requests that no model could answer"},
});

/// A state counts as 1 where it is "up" and 0 where it is "down"; one that is "disabled" is no figure.
std::optional<double> number_of(const Json& value) {
  if (value == "up") return 1.0;
  if (value == "down") return 0.0;
  if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
  if (!value.is_number()) return std::nullopt;
  return value.get<double>();
}

/// Adds every value that `path` leads to below `value`.
void collect(const Json& value, std::string_view path, const Figure& figure, const std::string& label,
             prometheus::MetricFamily& family) {
  if (path.empty()) {
    const auto number = number_of(value);
    if (!number) return;
    prometheus::ClientMetric metric;
    if (!figure.label.empty()) metric.label.push_back({std::string(figure.label), label});
    metric.gauge.value = *number;
    metric.counter.value = *number;
    family.metric.push_back(std::move(metric));
    return;
  }
  if (!value.is_object()) return;
  const std::string_view member = path.substr(0, path.find('.'));
  const std::string_view rest = path.substr(std::min(path.size(), member.size() + 1));
  for (const auto& [key, below] : value.items()) {
    if (member == "*") {
      collect(below, rest, figure, key, family);
    } else if (member == key) {
      collect(below, rest, figure, label, family);
    }
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> backend_figures(const nlohmann::ordered_json& stats) {
  std::vector<prometheus::MetricFamily> families;
  for (const Figure& figure : kFigures) {
    prometheus::MetricFamily family{.name = std::string(figure.name),
                                    .help = std::string(figure.help),
                                    .type = figure.type,
                                    .metric = {}};
    collect(stats, figure.path, figure, {}, family);
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
  return families;
}

}  // namespace fovea::metrics
