#include "tasks/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/shorten.h"
#include "tasks/normalise.h"

namespace fovea::tasks {
namespace {

using Json = nlohmann::ordered_json;

Check passed(std::string detail = "") {
  return {.field = "", .check = "", .ok = true, .warning = false, .detail = std::move(detail)};
}

Check failed(std::string detail, bool warning = false) {
  return {.field = "", .check = "", .ok = false, .warning = warning, .detail = std::move(detail)};
}

std::optional<Check> plausible_hp(const Field& /*field*/, const Json& value, const IsKnown& /*known*/) {
  constexpr double kLeast = 10;
  constexpr double kMost = 400;
  constexpr double kStep = 10;
  if (!value.is_number()) return std::nullopt;
  const auto hp = value.get<double>();
  if (hp >= kLeast && hp <= kMost && std::fmod(hp, kStep) == 0) return passed();
  return failed(fmt::format("expected a multiple of {} from {} to {}, found {}", kStep, kLeast, kMost, hp));
}

std::optional<Check> collector_number_form(const Field& /*field*/, const Json& value,
                                           const IsKnown& /*known*/) {
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (!parse_collector_number(text)) {
    return failed(fmt::format("expected a number such as 4/102, SWSH001 or TG12/TG30, found \"{}\"",
                              shorten(text, 40)));
  }
  return passed(find_normaliser("collector_number")->apply(text));
}

std::optional<Check> number_within_total(const Field& /*field*/, const Json& value,
                                         const IsKnown& /*known*/) {
  if (!value.is_string()) return std::nullopt;
  const auto number = parse_collector_number(value.get_ref<const std::string&>());
  if (!number || !number->total || number->prefix != number->total_prefix) return std::nullopt;
  if (number->number <= *number->total) return passed();
  return failed(fmt::format("number {} of {}: beyond the set's total, as secret rares are", number->number,
                            *number->total),
                /*warning=*/true);
}

std::optional<Check> known_value(const Field& field, const Json& value, const IsKnown& known) {
  const auto form = canonical(field, value);
  if (!known || !form) return std::nullopt;
  const auto is_known = known(field, *form);
  if (!is_known) return std::nullopt;
  return *is_known ? passed() : failed(fmt::format("\"{}\" is not in the catalogue", shorten(*form, 60)));
}

constexpr std::array<Validator, 4> kValidators{{
    {"plausible_hp", "a multiple of 10 from 10 to 400", false, plausible_hp},
    {"collector_number_form", "a number such as 4/102, SWSH001 or TG12/TG30", true, collector_number_form},
    {"number_within_total", "the number is at most the total behind its slash (a warning)", true,
     number_within_total},
    {"known_value", "the catalogue, where one was imported, has this value in this field", true, known_value},
}};

}  // namespace

Json Check::to_json() const {
  Json json{{"field", field}, {"check", check}, {"ok", ok}, {"detail", detail}};
  if (warning) json["warning"] = true;
  return json;
}

std::span<const Validator> validators() {
  return kValidators;
}

const Validator* find_validator(std::string_view name) {
  const auto* found = std::ranges::find(kValidators, name, &Validator::name);
  return found == kValidators.end() ? nullptr : found;
}

std::vector<Check> check_reading(const Task& task, const Json& fields, const IsKnown& known) {
  std::vector<Check> checks;
  for (const Field& field : task.fields) {
    const auto value = fields.find(field.name);
    if (value == fields.end() || value->is_null()) continue;
    for (const std::string& name : field.check) {
      const Validator* validator = find_validator(name);
      if (validator == nullptr) continue;
      auto check = validator->judge(field, *value, known);
      if (!check) continue;
      check->field = field.name;
      check->check = name;
      checks.push_back(std::move(*check));
    }
  }
  return checks;
}

std::optional<std::string> review_reason(const Task& task, const Json& confidence,
                                         std::span<const Check> checks) {
  std::vector<std::string> reasons;
  for (const Field& field : task.fields) {
    if (!confidence.is_object()) break;
    const auto found = confidence.find(field.name);
    if (found == confidence.end() || !found->is_number()) continue;
    const double least = field.accept.value_or(task.accept);
    if (found->get<double>() < least) {
      reasons.push_back(
          fmt::format("{}: confidence {:.2f} is below {:.2f}", field.name, found->get<double>(), least));
    }
  }
  for (const Check& check : checks) {
    if (!check.ok && !check.warning) {
      reasons.push_back(fmt::format("{}: {}: {}", check.field, check.check, check.detail));
    }
  }
  if (reasons.empty()) return std::nullopt;
  return fmt::format("{}", fmt::join(reasons, "; "));
}

}  // namespace fovea::tasks
