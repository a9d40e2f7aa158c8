#include "metrics/process_figures.h"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

namespace fovea::metrics {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(std::string name, std::string help, MetricType type, double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  metric.counter.value = value;
  return {.name = std::move(name), .help = std::move(help), .type = type, .metric = {std::move(metric)}};
}

/// The number of a line `NAME:  N kB` of /proc/self/status, in bytes; negative when there is none.
double status_bytes(std::string_view status, std::string_view name) {
  const auto at = status.find(name);
  if (at == std::string_view::npos) return -1;
  const auto digits = status.find_first_of("0123456789", at + name.size());
  if (digits == std::string_view::npos) return -1;
  double kilobytes = -1;
  std::from_chars(status.data() + digits, status.data() + status.size(), kilobytes);
  return kilobytes * 1024;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

std::vector<MetricFamily> process_figures() {
  std::vector<MetricFamily> figures;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    figures.push_back(family("process_cpu_seconds_total", "Processor time of the process, user and system",
                             MetricType::Counter, seconds(usage.ru_utime) + seconds(usage.ru_stime)));
  }
  // Its size says zero, as that of all files there.
  std::ifstream file("/proc/self/status");
  const std::string status{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!status.empty()) {
    if (const double resident = status_bytes(status, "\nVmRSS:"); resident >= 0) {
      figures.push_back(family("process_resident_memory_bytes", "Memory of the process that is in use",
                               MetricType::Gauge, resident));
    }
    if (const double virtual_size = status_bytes(status, "\nVmSize:"); virtual_size >= 0) {
      figures.push_back(family("process_virtual_memory_bytes", "Address space of the process",
                               MetricType::Gauge, virtual_size));
    }
  }
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error) {
    figures.push_back(family("process_open_fds", "Open files and sockets", MetricType::Gauge,
                             static_cast<double>(std::distance(begin(files), end(files)))));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    figures.push_back(family("process_max_fds", "Files and sockets that may be open", MetricType::Gauge,
                             static_cast<double>(limit.rlim_cur)));
  }
  return figures;
}

}  // namespace fovea::metrics
