#include "metrics/summary.h"

#include <cmath>

namespace fovea::metrics {
namespace {

using Json = nlohmann::ordered_json;

void add_value(const prometheus::ClientMetric& metric, prometheus::MetricType type, Json& object) {
  if (type != prometheus::MetricType::Histogram) {
    object["value"] = type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
    return;
  }
  const auto& histogram = metric.histogram;
  object["count"] = histogram.sample_count;
  object["mean"] =
      histogram.sample_count == 0 ? 0 : histogram.sample_sum / static_cast<double>(histogram.sample_count);
  object["p50"] = quantile_of(histogram, 0.50);
  object["p95"] = quantile_of(histogram, 0.95);
  object["p99"] = quantile_of(histogram, 0.99);
}

}  // namespace

double quantile_of(const prometheus::ClientMetric::Histogram& histogram, double quantile) {
  const double wanted = quantile * static_cast<double>(histogram.sample_count);
  double below = 0;
  double lower = 0;
  for (const auto& bucket : histogram.bucket) {
    const auto count = static_cast<double>(bucket.cumulative_count);
    if (count >= wanted && count > below) {
      if (!std::isfinite(bucket.upper_bound)) return lower;
      return lower + (bucket.upper_bound - lower) * (wanted - below) / (count - below);
    }
    below = count;
    lower = bucket.upper_bound;
  }
  return 0;
}

nlohmann::ordered_json summarize(const std::vector<prometheus::MetricFamily>& families) {
  Json summary = Json::object();
  for (const prometheus::MetricFamily& family : families) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      Json object = Json::object();
      for (const auto& label : metric.label) object[label.name] = label.value;
      const bool has_labels = !object.empty();
      add_value(metric, family.type, object);
      Json& place = summary[family.name];
      if (has_labels) {
        place.push_back(std::move(object));
      } else {
        place = object.contains("value") ? object["value"] : object;
      }
    }
  }
  return summary;
}

}  // namespace fovea::metrics
