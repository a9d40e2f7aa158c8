#pragma once

#include <nlohmann/json.hpp>
#include <vector>

namespace prometheus {
struct MetricFamily;
}

namespace fovea::metrics {

/// The figures of Backend::stats() that have a metric of their own. A backend says what it has; members of
/// other names, or that are no numbers, stay out of /metrics and are seen in /stats only. `*` becomes a
/// label:
///
///   queue.waiting.*            requests that wait, by priority
///   queue.running              sequences that are being answered
///   kv.used_bytes, kv.budget_bytes
///   cache.*.hits|misses|errors|timeouts|skipped|dropped_writes|entries|bytes, and cache.*.state (up, down)
///   single_flight.shared       answers that were computed once and given to several
///   vision.tiles, vision.reused_tiles, vision.cache_bytes
///   prefix.reused_tokens
///   model.*.resident_bytes     by model
std::vector<prometheus::MetricFamily> backend_figures(const nlohmann::ordered_json& stats);

}  // namespace fovea::metrics
