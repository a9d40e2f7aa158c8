#pragma once

#include <prometheus/metric_family.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace fovea::metrics {

/// The value below which `quantile` of a histogram's observations lie, by linear interpolation inside a
/// bucket; the last finite bound for what lies above it, and 0 without observations.
double quantile_of(const prometheus::ClientMetric::Histogram& histogram, double quantile);

/// `{metric: value}`, or `{metric: [{labels…, "value"}]}` where there are labels; histograms as count, mean
/// and quantiles.
nlohmann::ordered_json summarize(const std::vector<prometheus::MetricFamily>& families);

}  // namespace fovea::metrics
