#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluate/select.h"

namespace fovea::evaluate {
namespace {

using Json = nlohmann::ordered_json;

Json verdict_json(const Requirement& requirement, const Verdict& verdict) {
  Json json{{"require", requirement.text},
            {"met", verdict.met},
            {"value", nullptr},
            {"limit", requirement.limit},
            {"interval_holds_limit", verdict.straddles},
            {"text", verdict.text}};
  if (verdict.measured) json["value"] = verdict.measured->value;
  if (verdict.measured && verdict.measured->interval95) {
    json["interval95"] = *verdict.measured->interval95;
  }
  return json;
}

Json role_json(const Matrix& matrix, const std::optional<Choice>& choice) {
  if (!choice) return nullptr;
  const Variant& variant = matrix.variants[choice->variant];
  return {{"variant", variant.name},    {"model", variant.model},   {"dtype", variant.dtype},
          {"version", variant.version}, {"folder", variant.folder}, {"why", choice->why}};
}

/// A string of TOML, whatever stands in it.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      result += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string role_toml(const Matrix& matrix, const char* role, const std::optional<Choice>& choice) {
  if (!choice) return "";
  const Variant& variant = matrix.variants[choice->variant];
  const auto [low, high] = wilson_interval95(variant.whole);
  std::string text = fmt::format(
      "\n[roles.{}]\nmodel = {}\nfolder = {}\nversion = {}\ndtype = {}\nas_stored = {}\nwhy = {}\n\n"
      "[roles.{}.measured]\naccuracy = {:.6f}\naccuracy_interval95 = [{:.6f}, {:.6f}]\n"
      "latency_p50_ms = {:.3f}\nlatency_p95_ms = {:.3f}\nmemory_bytes = {}\nfile_bytes = {}\n",
      role, quoted(variant.model), quoted(variant.folder), quoted(variant.version), quoted(variant.dtype),
      variant.as_stored, quoted(choice->why), role, variant.whole.rate(), low, high, variant.warm.p50_ms,
      variant.warm.p95_ms, variant.memory_bytes, variant.file_bytes);
  if (variant.edge.flash_bytes > 0) {
    text +=
        fmt::format("flash_bytes = {}\nram_bytes = {}\n", variant.edge.flash_bytes, variant.edge.ram_bytes);
  }
  return text;
}

std::string role_line(const Matrix& matrix, const char* role, const std::optional<Choice>& choice,
                      const char* otherwise) {
  if (!choice) return fmt::format("{:<9} {}\n", role, otherwise);
  return fmt::format("{:<9} {}: {}\n", role, matrix.variants[choice->variant].name, choice->why);
}

}  // namespace

Json Selection::to_json(const Matrix& matrix) const {
  Json json{{"task", matrix.task},
            {"prefer", preference_name(preference)},
            {"require", Json::array()},
            {"primary", role_json(matrix, primary)},
            {"fallback", role_json(matrix, fallback)},
            {"edge", role_json(matrix, edge)},
            {"results", Json::array()},
            {"nearest", Json::array()}};
  for (const Requirement& requirement : requirements) json["require"].push_back(requirement.text);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Outcome& outcome = outcomes[i];
    Json result{{"variant", matrix.variants[i].name},
                {"meets_all", outcome.meets_all},
                {"role", outcome.role.empty() ? Json(nullptr) : Json(outcome.role)},
                {"why", outcome.why},
                {"verdicts", Json::array()}};
    for (std::size_t r = 0; r < requirements.size(); ++r) {
      result["verdicts"].push_back(verdict_json(requirements[r], outcome.verdicts[r]));
    }
    json["results"].push_back(std::move(result));
  }
  for (const std::size_t i : nearest) json["nearest"].push_back(matrix.variants[i].name);
  return json;
}

std::string Selection::to_table(const Matrix& matrix) const {
  std::size_t width = 7;
  for (const Variant& variant : matrix.variants) width = std::max(width, variant.name.size());
  std::string text = fmt::format("{:<{}}  {:>8}  {:^17}  {:>10}  {:>9}  {:>9}  {}\n", "variant", width,
                                 "accuracy", "95 % interval", "p95", "memory", "size", "meets all");
  bool any_straddles = false;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Variant& variant = matrix.variants[i];
    const auto [low, high] = wilson_interval95(variant.whole);
    const bool straddles = std::ranges::any_of(outcomes[i].verdicts, &Verdict::straddles);
    any_straddles = any_straddles || straddles;
    text += fmt::format("{:<{}}  {:>8}  {:>7} to {:>6}  {:>10}  {:>9}  {:>9}  {}{}\n", variant.name, width,
                        format_quantity(variant.whole.rate(), Dimension::kShare),
                        format_quantity(low, Dimension::kShare), format_quantity(high, Dimension::kShare),
                        format_quantity(variant.warm.p95_ms, Dimension::kTime),
                        format_quantity(static_cast<double>(variant.memory_bytes), Dimension::kBytes),
                        format_quantity(static_cast<double>(variant.file_bytes), Dimension::kBytes),
                        outcomes[i].meets_all ? "yes" : "no", straddles ? " *" : "");
  }
  if (any_straddles) text += "* a limit lies inside the 95 % interval: other pictures may say otherwise\n";
  text += "\n";
  if (primary) {
    text += role_line(matrix, "primary", primary, "");
    text += role_line(matrix, "fallback", fallback, "none: nothing else meets every requirement");
  } else {
    text += "No variant meets every requirement. The nearest:\n";
    constexpr std::size_t kShown = 3;
    for (std::size_t i = 0; i < std::min(kShown, nearest.size()); ++i) {
      text += fmt::format("  {}: {}\n", matrix.variants[nearest[i]].name, outcomes[nearest[i]].why);
    }
  }
  text += role_line(matrix, "edge", edge,
                    "none: nothing fits the RP2040 budget and meets the requirements on the model itself");
  if (!primary) return text;
  std::string rejected;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].role.empty()) {
      rejected += fmt::format("  {}: {}\n", matrix.variants[i].name, outcomes[i].why);
    }
    for (const Verdict& verdict : outcomes[i].verdicts) {
      // Whoever was chosen on a figure that chance could have moved over the limit must be told.
      if (!outcomes[i].role.empty() && verdict.straddles) {
        text += fmt::format("  note: {}: {}\n", matrix.variants[i].name, verdict.text);
      }
    }
  }
  if (!rejected.empty()) text += "rejected\n" + rejected;
  return text;
}

std::string to_deployment(const Matrix& matrix, const Selection& selection) {
  std::string text = fmt::format(
      "# Written by fovea select; docs/evaluate-and-select.md says what each key means.\n"
      "schema = 1\nprogram = {}\nprefer = \"{}\"\n\n"
      "[task]\nname = {}\ndigest = {}\n\n"
      "[measured_on]\ndata_digest = {}\npictures = {}\nprocessor = {}\nthreads = {}\nisa = {}\n"
      "memory_limit_bytes = {}\n",
      quoted(matrix.program), preference_name(selection.preference), quoted(matrix.task),
      quoted(matrix.task_digest), quoted(matrix.data_digest), matrix.pictures, quoted(matrix.processor),
      matrix.threads, quoted(matrix.isa), matrix.memory_limit_bytes);
  for (const Requirement& requirement : selection.requirements) {
    const char* comparison = requirement.comparison == Comparison::kAtLeast    ? ">="
                             : requirement.comparison == Comparison::kMoreThan ? ">"
                             : requirement.comparison == Comparison::kAtMost   ? "<="
                                                                               : "<";
    const char* unit = requirement.metric.dimension == Dimension::kTime    ? "ms"
                       : requirement.metric.dimension == Dimension::kBytes ? "bytes"
                       : requirement.metric.dimension == Dimension::kRate  ? "per second"
                       : requirement.metric.dimension == Dimension::kShare ? "share"
                                                                           : "count";
    text += fmt::format("\n[[limits]]\nmetric = {}\ncomparison = \"{}\"\nvalue = {}\nunit = \"{}\"\n",
                        quoted(requirement.metric.name), comparison, requirement.limit, unit);
  }
  text += role_toml(matrix, "primary", selection.primary);
  text += role_toml(matrix, "fallback", selection.fallback);
  return text + role_toml(matrix, "edge", selection.edge);
}

}  // namespace fovea::evaluate
