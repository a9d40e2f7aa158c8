#include "evaluate/requirement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/shorten.h"

namespace fovea::evaluate {
namespace {

constexpr std::string_view kAccuracyOf = "accuracy.";

Measured share(const Count& count) {
  return {.value = count.rate(), .interval95 = wilson_interval95(count)};
}

std::optional<Measured> accuracy_of(const Variant& variant, std::string_view part) {
  for (const auto& [field, count] : variant.fields) {
    if (field == part && count.compared > 0) return share(count);
  }
  const auto& labels = variant.confusion.labels;
  const auto found = std::ranges::find(labels, part);
  if (found == labels.end()) return std::nullopt;
  const Count count = variant.confusion.of(static_cast<std::size_t>(found - labels.begin()));
  if (count.compared == 0) return std::nullopt;
  return share(count);
}

std::optional<Measured> where(bool is_measured, double value) {
  if (!is_measured) return std::nullopt;
  return Measured{.value = value, .interval95 = {}};
}

std::optional<Measured> concurrency(const Matrix& matrix, const Variant& variant) {
  const Room room = room_within(variant.levels, matrix.memory_limit_bytes);
  // Where memory sets no bound, as many as were measured are known to fit.
  return where(room.measured_up_to > 0, static_cast<double>(room.fits.value_or(room.measured_up_to)));
}

const char* comparison_name(Comparison comparison) {
  switch (comparison) {
    case Comparison::kAtLeast:
      return "at least";
    case Comparison::kMoreThan:
      return "more than";
    case Comparison::kAtMost:
      return "at most";
    case Comparison::kLessThan:
      break;
  }
  return "less than";
}

std::string list_metrics(const std::vector<Metric>& metrics) {
  std::string list;
  for (const Metric& metric : metrics) list += fmt::format("\n  {:<20} {}", metric.name, metric.meaning);
  return list;
}

}  // namespace

std::vector<Metric> metrics_of(const Matrix& matrix) {
  std::vector<Metric> metrics{
      {"accuracy", Dimension::kShare, "share of pictures that are right as a whole"},
      {"latency_p50", Dimension::kTime, "median time of an answer, one at a time, warm", true},
      {"latency_p95", Dimension::kTime, "95th percentile of that", true},
      {"cold_p50", Dimension::kTime, "median time to the first answer, loading included", true},
      {"cold_p95", Dimension::kTime, "95th percentile of that", true},
      {"throughput", Dimension::kRate, "pictures a second, at the best number of requests at a time", true},
      {"memory", Dimension::kBytes, "most memory of the process, pictures one at a time", true},
      {"concurrency", Dimension::kCount, "requests at a time that the report's memory limit has room for",
       true},
      {"size", Dimension::kBytes, "of the checkpoint's weight files"},
      {"parameters", Dimension::kCount, "of the model"},
      {"calibration_error", Dimension::kShare, "expected calibration error of the confidences"}};
  std::vector<std::string> parts;
  const auto add = [&](const std::string& part, const char* of) {
    if (std::ranges::find(parts, part) != parts.end()) return;
    parts.push_back(part);
    metrics.push_back({std::string(kAccuracyOf) + part, Dimension::kShare, of + part});
  };
  for (const Variant& variant : matrix.variants) {
    for (const auto& [field, count] : variant.fields) add(field, "share that is right of the field ");
    for (const std::string& label : variant.confusion.labels) add(label, "share that is right of the class ");
  }
  return metrics;
}

std::optional<Measured> measured(const Matrix& matrix, const Variant& variant, const std::string& metric) {
  if (metric == "accuracy") return share(variant.whole);
  if (metric.starts_with(kAccuracyOf)) return accuracy_of(variant, metric.substr(kAccuracyOf.size()));
  if (metric == "latency_p50") return where(variant.warm.n > 0, variant.warm.p50_ms);
  if (metric == "latency_p95") return where(variant.warm.n > 0, variant.warm.p95_ms);
  if (metric == "cold_p50") return where(variant.cold.n > 0, variant.cold.p50_ms);
  if (metric == "cold_p95") return where(variant.cold.n > 0, variant.cold.p95_ms);
  if (metric == "throughput") return where(!variant.levels.empty(), variant.per_second());
  if (metric == "memory") return where(variant.memory_bytes > 0, static_cast<double>(variant.memory_bytes));
  if (metric == "concurrency") return concurrency(matrix, variant);
  if (metric == "size") return where(true, static_cast<double>(variant.file_bytes));
  if (metric == "parameters") return where(true, static_cast<double>(variant.parameters));
  if (metric == "calibration_error" && variant.reliability.n > 0) {
    return Measured{.value = variant.reliability.error, .interval95 = variant.reliability.interval95};
  }
  return std::nullopt;
}

bool Requirement::holds(double value) const {
  switch (comparison) {
    case Comparison::kAtLeast:
      return value >= limit;
    case Comparison::kMoreThan:
      return value > limit;
    case Comparison::kAtMost:
      return value <= limit;
    case Comparison::kLessThan:
      break;
  }
  return value < limit;
}

std::string Requirement::limit_text() const {
  return fmt::format("{} {}", comparison_name(comparison), format_quantity(limit, metric.dimension));
}

Result<Requirement> parse_requirement(std::string_view text, const std::vector<Metric>& metrics) {
  const std::string shown = shorten(text, 60);
  const std::size_t at = text.find_first_of("<>=!");
  if (at == std::string_view::npos) {
    return fail(ErrorCode::kUsage,
                fmt::format("--require \"{}\": expected METRIC>=VALUE or METRIC<=VALUE (or > or <), such as "
                            "accuracy>=0.80 or latency_p95<=3s",
                            shown));
  }
  std::string_view name = text.substr(0, at);
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  const auto metric = std::ranges::find(metrics, name, &Metric::name);
  if (metric == metrics.end()) {
    return fail(ErrorCode::kUsage, fmt::format("--require \"{}\": no metric \"{}\"; there is:{}", shown,
                                               shorten(name, 40), list_metrics(metrics)));
  }
  const std::size_t end = std::min(text.find_first_not_of("<>=!", at), text.size());
  const std::string_view sign = text.substr(at, end - at);
  Requirement requirement{.text = std::string(text), .metric = *metric};
  if (sign == ">=") {
    requirement.comparison = Comparison::kAtLeast;
  } else if (sign == ">") {
    requirement.comparison = Comparison::kMoreThan;
  } else if (sign == "<=") {
    requirement.comparison = Comparison::kAtMost;
  } else if (sign == "<") {
    requirement.comparison = Comparison::kLessThan;
  } else {
    return fail(ErrorCode::kUsage, fmt::format("--require \"{}\": expected one of >=, >, <=, <, found {}",
                                               shown, shorten(sign, 10)));
  }
  auto limit = parse_quantity(text.substr(end), metric->dimension);
  if (!limit) return with_context(limit.error(), fmt::format("--require \"{}\"", shown));
  requirement.limit = *limit;
  return requirement;
}

Verdict judge(const Matrix& matrix, const Variant& variant, const Requirement& requirement) {
  Verdict verdict;
  const Metric& metric = requirement.metric;
  verdict.measured = measured(matrix, variant, metric.name);
  if (!verdict.measured) {
    verdict.miss = std::numeric_limits<double>::infinity();
    verdict.text = fmt::format("{} was not measured, required {}", metric.name, requirement.limit_text());
    return verdict;
  }
  const double value = verdict.measured->value;
  verdict.met = requirement.holds(value);
  const double scale = requirement.limit != 0 ? std::abs(requirement.limit) : 1;
  if (!verdict.met) verdict.miss = std::abs(value - requirement.limit) / scale;
  verdict.text = fmt::format("{} {}, required {}", metric.name, format_quantity(value, metric.dimension),
                             requirement.limit_text());
  if (const auto& interval = verdict.measured->interval95) {
    const auto& [low, high] = *interval;
    verdict.straddles = requirement.holds(low) != requirement.holds(high);
    if (verdict.straddles) {
      verdict.text +=
          fmt::format("; its 95 % interval, {} to {}, holds the limit",
                      format_quantity(low, metric.dimension), format_quantity(high, metric.dimension));
    }
  }
  return verdict;
}

}  // namespace fovea::evaluate
