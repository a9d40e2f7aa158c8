#include "evaluate/confusion.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fovea::evaluate {
namespace {

std::size_t place_of(const std::vector<std::string>& labels, const nlohmann::ordered_json& value) {
  if (!value.is_string()) return labels.size();
  const auto found = std::ranges::find(labels, value.get_ref<const std::string&>());
  return static_cast<std::size_t>(found - labels.begin());
}

}  // namespace

Confusion::Confusion(std::vector<std::string> names) : labels(std::move(names)) {
  counts.assign(labels.size() + 1, std::vector<std::size_t>(labels.size() + 1));
}

void Confusion::add(const nlohmann::ordered_json& truth, const nlohmann::ordered_json& answer) {
  ++counts[place_of(labels, truth)][place_of(labels, answer)];
}

std::size_t Confusion::pictures(std::size_t row) const {
  return std::accumulate(counts[row].begin(), counts[row].end(), std::size_t{0});
}

Count Confusion::of(std::size_t label) const {
  return {.right = counts[label][label], .compared = pictures(label)};
}

nlohmann::ordered_json Confusion::to_json() const {
  return {{"labels", labels}, {"counts", counts}};
}

Result<Confusion> Confusion::from_json(const nlohmann::ordered_json& json) {
  const auto wrong = [] {
    return fail(ErrorCode::kInvalidArgument,
                "expected \"confusion\" to have \"labels\" and a square of \"counts\", one wider than them");
  };
  const auto is_count = [](const nlohmann::ordered_json& value) { return value.is_number_unsigned(); };
  if (!json.is_object() || !json.contains("labels") || !json.contains("counts")) return wrong();
  const auto& names = json["labels"];
  const auto& rows = json["counts"];
  if (!names.is_array() || !rows.is_array() || rows.size() != names.size() + 1) return wrong();
  Confusion confusion;
  for (const auto& name : names) {
    if (!name.is_string()) return wrong();
    confusion.labels.push_back(name.get<std::string>());
  }
  for (const auto& row : rows) {
    if (!row.is_array() || row.size() != rows.size() || !std::ranges::all_of(row, is_count)) return wrong();
    confusion.counts.push_back(row.get<std::vector<std::size_t>>());
  }
  return confusion;
}

}  // namespace fovea::evaluate
