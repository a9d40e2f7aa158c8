#include "edge/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/file.h"
#include "base/shorten.h"
#include "edge/emit.h"

namespace fovea::edge {
namespace {

namespace fs = std::filesystem;

bool is_prefix(const std::string& text) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= 32 && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, fits);
}

}  // namespace

Result<nlohmann::ordered_json> export_edge(const fs::path& source, const fs::path& destination,
                                           const ExportOptions& options) {
  if (!is_prefix(options.prefix)) {
    return fail(ErrorCode::kUsage,
                fmt::format("the prefix is \"{}\", expected at most 32 of a-z, 0-9 and _, a letter first",
                            shorten(options.prefix)));
  }
  FOVEA_TRY(const auto model, models::micro_cnn::Model::load(source));
  const Plan plan = make_plan(*model);
  if (const std::string over = over_budget(plan, options.budget); !over.empty()) {
    return fail(ErrorCode::kTooLarge, fmt::format("{}: {}", source.string(), over));
  }
  const fs::path named = source.has_filename() ? source : source.parent_path();
  nlohmann::ordered_json report = report_json(*model, plan, named.filename().string(), options.budget);
  Sources sources = emit(*model, plan, options.prefix);
  std::error_code error;
  fs::create_directories(destination, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot make this folder: {}", destination.string(), error.message()));
  }
  const std::array<std::pair<std::string, std::string>, 6> files = {{
      {options.prefix + ".h", std::move(sources.api_h)},
      {options.prefix + ".c", std::move(sources.code_c)},
      {options.prefix + "_model.h", std::move(sources.model_h)},
      {options.prefix + "_model.c", std::move(sources.model_c)},
      {"report.json", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"},
      {"report.md", report_markdown(report)},
  }};
  for (const auto& [name, text] : files) FOVEA_CHECK_OK(write_file(destination / name, text));
  return report;
}

}  // namespace fovea::edge
