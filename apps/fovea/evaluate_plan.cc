#include "evaluate_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "evaluate/checkpoint_figures.h"
#include "registry/locate.h"

namespace fovea::cli {
namespace {

constexpr std::array<std::string_view, 4> kTypes{"f32", "bf16", "int8", "int4"};

bool is_type(std::string_view text) {
  return std::ranges::find(kTypes, text) != kTypes.end();
}

/// NAME:TYPE in its parts; the type is empty where there is none.
std::pair<std::string, std::string> split_type(const std::string& named) {
  const std::size_t colon = named.rfind(':');
  if (colon == std::string::npos || !is_type(std::string_view(named).substr(colon + 1))) return {named, ""};
  return {named.substr(0, colon), named.substr(colon + 1)};
}

/// Why a checkpoint cannot be had in a type; empty where it can.
std::string obstacle(const evaluate::CheckpointFigures& figures, const std::string& type) {
  if (type == figures.dtype) return "";
  if (figures.quantised) {
    return fmt::format("it is stored in {}, and other weights cannot be made of that", figures.dtype);
  }
  if (figures.is_micro_cnn && type == "bf16") return "a micro CNN computes in f32, int8 or int4";
  return "";
}

Result<void> add(EvaluationPlan& plan, PlannedVariant variant) {
  for (const PlannedVariant& other : plan.variants) {
    if (other.name() != variant.name()) continue;
    if (other.source == variant.source) return {};
    return fail(ErrorCode::kUsage,
                fmt::format("{} and {} would both be called {}: rename one of the folders",
                            other.source.string(), variant.source.string(), variant.name()));
  }
  plan.variants.push_back(std::move(variant));
  return {};
}

}  // namespace

Result<EvaluationPlan> plan_evaluation(const EvaluateArguments& arguments,
                                       const std::vector<std::string>& models) {
  std::vector<std::string> wanted = split(arguments.variants);
  for (const std::string& type : wanted) {
    if (is_type(type)) continue;
    return fail(ErrorCode::kUsage,
                fmt::format("--variants: no type \"{}\"; there is: f32, bf16, int8, int4", type));
  }
  if (wanted.empty() && !arguments.model.dtype.empty()) wanted = {arguments.model.dtype};
  EvaluationPlan plan;
  for (const std::string& named : models) {
    if (named == kCascade) {
      return fail(ErrorCode::kUsage,
                  "--report compares single models; measure the cascade without --report and --variants");
    }
    const auto [name, type] = split_type(named);
    FOVEA_TRY(const auto folder, registry::locate_model(name));
    FOVEA_TRY(auto figures, evaluate::checkpoint_figures(folder));
    if (figures.dtype == "f16") figures.dtype = "f32";  // what it computes with
    std::vector<std::string> types = type.empty() ? wanted : std::vector{type};
    if (types.empty()) types = {figures.dtype};
    for (const std::string& each : types) {
      PlannedVariant variant{
          .model = registry::model_name(folder), .dtype = each, .source = std::filesystem::absolute(folder)};
      if (const std::string why = obstacle(figures, each); !why.empty()) {
        if (!type.empty()) return fail(ErrorCode::kUsage, fmt::format("{}: {}", named, why));
        plan.skipped.push_back({.name = variant.name(), .why = why});
        continue;
      }
      const bool integers = each == "int8" || each == "int4";
      variant.quantise = each != figures.dtype && integers;
      variant.convert = each != figures.dtype && !integers;
      if (variant.quantise && figures.is_micro_cnn && arguments.calibrate.empty()) {
        return fail(ErrorCode::kUsage,
                    fmt::format("{}: quantising a micro CNN needs pictures that are not those it is measured "
                                "on: --calibrate DIR",
                                variant.name()));
      }
      FOVEA_CHECK_OK(add(plan, std::move(variant)));
    }
  }
  if (plan.variants.empty()) {
    return fail(ErrorCode::kUsage, fmt::format("none of the variants can be measured; {}: {}",
                                               plan.skipped.front().name, plan.skipped.front().why));
  }
  return plan;
}

}  // namespace fovea::cli
