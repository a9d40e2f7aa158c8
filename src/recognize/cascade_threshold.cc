#include "recognize/cascade_threshold.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"

namespace fovea::recognize {
namespace {

constexpr const char* kFile = "cascade.json";

Result<nlohmann::json> read_all(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nlohmann::json::object();
  FOVEA_TRY(nlohmann::json all, read_json_file(path));
  if (!all.is_object()) {
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: expected an object of tasks", path.string()));
  }
  return all;
}

}  // namespace

Result<std::optional<double>> load_threshold(const std::filesystem::path& directory,
                                             const CascadePair& pair) {
  const auto path = directory / kFile;
  FOVEA_TRY(const nlohmann::json all, read_all(path));
  const auto found = all.find(pair.task);
  if (found == all.end()) return std::nullopt;
  if (!found->is_object() || !found->contains("threshold") || !(*found)["threshold"].is_number()) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: expected an object with the number \"threshold\" for task {}", path.string(),
                            pair.task));
  }
  const bool same = found->value("task_digest", "") == pair.task_digest &&
                    found->value("fast_version", "") == pair.fast_version &&
                    found->value("accurate", "") == pair.accurate &&
                    found->value("accurate_version", "") == pair.accurate_version;
  if (!same) return std::nullopt;
  return (*found)["threshold"].get<double>();
}

Result<void> store_threshold(const std::filesystem::path& directory, const CascadePair& pair,
                             double threshold, const nlohmann::ordered_json& made_from) {
  const auto path = directory / kFile;
  FOVEA_TRY(const nlohmann::json all, read_all(path));
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : all.items()) json[name] = value;
  json[pair.task] = {{"threshold", threshold},
                     {"task_digest", pair.task_digest},
                     {"fast_version", pair.fast_version},
                     {"accurate", pair.accurate},
                     {"accurate_version", pair.accurate_version},
                     {"made_from", made_from}};
  return write_file(path, json.dump(2) + "\n");
}

}  // namespace fovea::recognize
