#include "evaluate/matrix.h"

#include <fmt/format.h>

#include <system_error>

#include "base/file.h"
#include "base/json.h"
#include "evaluate/json_members.h"

namespace fovea::evaluate {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kSchema = 1;

std::string dump(const Json& json) {
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Json room_json(const Room& room, std::uint64_t limit_bytes) {
  Json json{{"limit_bytes", limit_bytes},
            {"fits", nullptr},
            {"base_bytes", static_cast<std::uint64_t>(room.base_bytes)},
            {"bytes_per_request", static_cast<std::uint64_t>(room.bytes_per_request)},
            {"measured_up_to", room.measured_up_to},
            {"beyond_measurement", room.beyond_measurement}};
  if (room.fits) json["fits"] = *room.fits;
  return json;
}

}  // namespace

std::vector<PairedComparison> Matrix::pairs() const {
  std::vector<PairedComparison> pairs;
  for (std::size_t i = 0; i < variants.size(); ++i) {
    for (std::size_t j = i + 1; j < variants.size(); ++j) {
      Evaluation a, b;
      a.model = variants[i].name;
      a.right = variants[i].right;
      b.model = variants[j].name;
      b.right = variants[j].right;
      if (a.right.size() == b.right.size()) pairs.push_back(compare_paired(a, b));
    }
  }
  return pairs;
}

Json Matrix::to_json() const {
  Json json{{"schema", kSchema},
            {"program", program},
            {"complete", complete},
            {"task", task},
            {"task_digest", task_digest},
            {"data", data},
            {"data_digest", data_digest},
            {"pictures", pictures},
            {"machine", {{"processor", processor}, {"threads", threads}, {"isa", isa}}},
            {"memory_limit_bytes", memory_limit_bytes}};
  json["results"] = Json::array();
  for (const Variant& variant : variants) {
    Json result = variant.to_json();
    result["concurrency"] = room_json(room_within(variant.levels, memory_limit_bytes), memory_limit_bytes);
    json["results"].push_back(std::move(result));
  }
  json["skipped"] = Json::array();
  for (const Skipped& one : skipped) json["skipped"].push_back({{"variant", one.name}, {"why", one.why}});
  json["paired"] = Json::array();
  for (const PairedComparison& pair : pairs()) json["paired"].push_back(pair.to_json());
  return json;
}

Result<Matrix> Matrix::from_json(const Json& json) {
  Members members(json, "");
  if (members.count("schema") != kSchema) {
    members.mistake(fmt::format("expected \"schema\" to be {}, as this program writes it", kSchema));
  }
  Matrix read;
  read.program = members.text("program");
  read.complete = members.flag("complete");
  read.task = members.text("task");
  read.task_digest = members.text("task_digest");
  read.data = members.text("data");
  read.data_digest = members.text("data_digest");
  read.pictures = members.count("pictures");
  Members machine = members.object("machine");
  read.processor = machine.text("processor");
  read.threads = machine.count("threads");
  read.isa = machine.text("isa");
  members.merge(machine);
  read.memory_limit_bytes = members.count("memory_limit_bytes");
  for (const Json& item : members.array("results")) {
    auto variant = Variant::from_json(item);
    if (variant) {
      read.variants.push_back(std::move(*variant));
    } else {
      members.mistake(fmt::format("results[{}]: {}", read.variants.size(), variant.error().message));
      break;
    }
  }
  for (const Json& item : members.array("skipped")) {
    Members one(item, "skipped");
    read.skipped.push_back({.name = one.text("variant"), .why = one.text("why")});
    members.merge(one);
  }
  if (!members.first_mistake().empty()) {
    return fail(ErrorCode::kInvalidArgument, members.first_mistake());
  }
  return read;
}

Result<Matrix> read_matrix(const std::filesystem::path& file_or_folder) {
  std::error_code ignored;
  const auto file = std::filesystem::is_directory(file_or_folder, ignored) ? file_or_folder / "report.json"
                                                                           : file_or_folder;
  FOVEA_TRY(const std::string text, read_file(file));
  FOVEA_TRY(const Json json, parse_ordered_json(text, file.string()));
  auto matrix = Matrix::from_json(json);
  if (!matrix) {
    return with_context(matrix.error(),
                        fmt::format("{}: not a report of fovea evaluate --report", file.string()));
  }
  return matrix;
}

Result<void> write_reports(const Matrix& matrix, const std::filesystem::path& folder) {
  FOVEA_CHECK_OK(write_file(folder / "report.json", dump(matrix.to_json())));
  FOVEA_CHECK_OK(write_file(folder / "report.md", to_markdown(matrix)));
  return write_file(folder / "report.html", to_html(matrix));
}

std::optional<Variant> Kept::find(const std::string& key) const {
  const auto text = read_file(folder_ / (key + ".json"));
  if (!text) return std::nullopt;
  const auto json = parse_ordered_json(*text, key);
  if (!json) return std::nullopt;
  auto variant = Variant::from_json(*json);
  if (!variant || variant->key != key) return std::nullopt;
  return std::move(*variant);
}

Result<void> Kept::keep(const Variant& variant) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot make this folder: {}", folder_.string(), error.message()));
  }
  return write_file(folder_ / (variant.key + ".json"), dump(variant.to_json()));
}

}  // namespace fovea::evaluate
