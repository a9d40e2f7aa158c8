#pragma once

#include <vector>

namespace prometheus {
struct MetricFamily;
}

namespace fovea::metrics {

/// What the system says of this process, under the names that Prometheus's own clients use:
/// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds and so on. Figures that cannot
/// be read are left out.
std::vector<prometheus::MetricFamily> process_figures();

}  // namespace fovea::metrics
