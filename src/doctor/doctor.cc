#include "doctor/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <variant>

#include "base/worker_team.h"
#include "cache/maintenance.h"
#include "doctor/limits.h"
#include "kernels/kernels.h"
#include "registry/locate.h"

namespace fovea::doctor {
namespace {

void append(std::vector<Finding>& list, std::vector<Finding> more) {
  std::ranges::move(more, std::back_inserter(list));
}

/// The chosen set, and whether somebody chose it by hand.
Finding chosen_kernels(const Examination& examination, const Result<const kernels::Kernels*>& active) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here sets the environment
  const char* wanted = std::getenv("FOVEA_ISA");
  const bool forced = wanted != nullptr && *wanted != '\0';
  if (!active) return {"kernels", "none", active.error().message};
  const std::string value = fmt::format("{}{}", examination.isa, forced ? " (FOVEA_ISA)" : "");
  const bool best = examination.isa == examination.sets.back();
  return {"kernels", value,
          best ? "" : fmt::format("{} is faster: unset FOVEA_ISA", examination.sets.back())};
}

Finding default_model(const std::string& name) {
  const auto found = registry::locate_model(name);
  if (!found) {
    std::string advice;  // the message on one line
    for (const char c : found.error().message) {
      if (c != '\n') advice += c;
    }
    return {"model", name, advice};
  }
  return {"model", fmt::format("{} in {}", name, found->string()), ""};
}

void measure(const kernels::Kernels& kernels, std::size_t threads, Examination& examination) {
  WorkerTeam team(threads);
  const auto peaks = kernels::measure_peaks(kernels, team);
  if (!peaks) {
    examination.findings.push_back({"speed", "not measured", peaks.error().message});
    return;
  }
  examination.peaks = *peaks;
  examination.findings.push_back(
      {"products",
       fmt::format("int8 {:.0f} GOP/s, bf16 {:.0f}, f32 {:.0f} GFLOP/s with {} threads", peaks->int8_gops,
                   peaks->bf16_gflops, peaks->f32_gflops, team.size()),
       ""});
  examination.findings.push_back({"reading memory", fmt::format("{:.1f} GB/s", peaks->read_gbps), ""});
}

/// Whether a service answers, asked over a connection of its own.
template <class Place>
Finding service(const std::string& name, const Place& place, std::chrono::milliseconds patience) {
  const std::string where = cache::describe(place);
  const Result<cache::Usage> usage = cache::count_tier(place, patience);
  if (usage) return {name, fmt::format("reached: {}, {} answers", where, usage->entries), ""};
  return {name, fmt::format("not reached: {}", where),
          fmt::format("{}; fovea serve works without it and tries it again", usage.error().message)};
}

std::vector<Finding> services(const Services& wanted) {
  std::vector<Finding> findings;
  if (wanted.redis) findings.push_back(service("redis", *wanted.redis, wanted.patience));
  if (!std::holds_alternative<std::monostate>(wanted.database)) {
    findings.push_back(service("database", wanted.database, wanted.patience));
  }
  if (findings.empty())
    findings.push_back({"services", "none: answers are not kept outside the process", ""});
  return findings;
}

}  // namespace

bool Examination::good() const {
  return std::ranges::all_of(findings, &Finding::good);
}

Examination examine(const Options& options) {
  Examination examination;
  const auto active = kernels::active_kernels();
  if (active) examination.isa = (*active)->isa;
  for (const kernels::Kernels* set : kernels::supported_kernels()) examination.sets.emplace_back(set->isa);
  append(examination.findings, processor(options.root));
  examination.findings.push_back(chosen_kernels(examination, active));
  examination.findings.push_back(
      {"kernels to choose from", fmt::format("{}", fmt::join(examination.sets, ", ")), ""});
  if (options.measure && active) measure(**active, options.threads, examination);
  append(examination.findings, limits(options.root));
  examination.findings.push_back(default_model(options.model));
  append(examination.findings, services(options.services));
  return examination;
}

nlohmann::ordered_json to_json(const Examination& examination) {
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  for (const Finding& finding : examination.findings) {
    findings.push_back({{"name", finding.name},
                        {"value", finding.value},
                        {"good", finding.good()},
                        {"advice", finding.good() ? nlohmann::ordered_json(nullptr)
                                                  : nlohmann::ordered_json(finding.advice)}});
  }
  nlohmann::ordered_json json{{"good", examination.good()},
                              {"isa", examination.isa},
                              {"sets", examination.sets},
                              {"machine", nullptr},
                              {"findings", std::move(findings)}};
  if (const auto& peaks = examination.peaks) {
    json["machine"] = {{"int8_gops", peaks->int8_gops},
                       {"bf16_gflops", peaks->bf16_gflops},
                       {"f32_gflops", peaks->f32_gflops},
                       {"read_gbps", peaks->read_gbps}};
  }
  return json;
}

std::string to_table(const Examination& examination) {
  std::string text;
  for (const Finding& finding : examination.findings) {
    fmt::format_to(std::back_inserter(text), "{:<8} {:<23} {}\n", finding.good() ? "good" : "warning",
                   finding.name, finding.value);
    if (!finding.good()) fmt::format_to(std::back_inserter(text), "{:<32} {}\n", "", finding.advice);
  }
  return text;
}

}  // namespace fovea::doctor
