#include "evaluate/select.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "commands.h"
#include "common.h"
#include "evaluate/matrix.h"

namespace fovea::cli {
namespace {

struct SelectArguments {
  std::string report;
  std::vector<std::string> require;
  std::string prefer = "accuracy";
  std::string output;  ///< empty: deployment.toml beside the report
  bool json = false;
};

/// 0 with a deployment written, 1 where nothing meets the requirements.
Result<int> run_select(const SelectArguments& arguments) {
  FOVEA_TRY(const auto matrix, evaluate::read_matrix(arguments.report));
  if (matrix.variants.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: no variant has been measured yet", arguments.report));
  }
  const auto metrics = evaluate::metrics_of(matrix);
  std::vector<evaluate::Requirement> requirements;
  for (const std::string& text : arguments.require) {
    FOVEA_TRY(requirements.emplace_back(), evaluate::parse_requirement(text, metrics));
  }
  if (!matrix.complete) {
    fmt::print(stderr, "fovea: warning: {} is not complete: {} variants are measured\n", arguments.report,
               matrix.variants.size());
  }
  const auto selection =
      evaluate::select(matrix, std::move(requirements), *evaluate::parse_preference(arguments.prefer));
  std::filesystem::path output = arguments.output;
  if (output.empty()) {
    const std::filesystem::path report = arguments.report;
    std::error_code ignored;
    output =
        (std::filesystem::is_directory(report, ignored) ? report : report.parent_path()) / "deployment.toml";
  }
  if (selection.primary) FOVEA_CHECK_OK(write_file(output, evaluate::to_deployment(matrix, selection)));
  if (arguments.json) {
    auto json = selection.to_json(matrix);
    json["deployment"] = selection.primary ? nlohmann::ordered_json(output.string()) : nullptr;
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", selection.to_table(matrix));
    if (selection.primary) fmt::print("written: {}\n", output.string());
  }
  return selection.primary ? 0 : 1;
}

}  // namespace

void add_select(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SelectArguments>();
  CLI::App* command = app.add_subcommand(
      "select", "Choose primary, fallback and edge model from a report of fovea evaluate --report");
  command->add_option("--report", arguments->report, "The report's folder, or its report.json")
      ->required()
      ->type_name("DIR|FILE");
  command
      ->add_option("--require", arguments->require,
                   "What has to hold, such as 'accuracy>=0.80', 'latency_p95<=3s', 'memory<=2GB'; may be "
                   "repeated")
      ->allow_extra_args(false)
      ->type_name("METRIC>=VALUE");
  command->add_option("--prefer", arguments->prefer, "What decides among those that meet every requirement")
      ->capture_default_str()
      ->type_name("WHAT")
      ->check(CLI::IsMember({"accuracy", "latency", "size"}).description(""));
  command
      ->add_option("--output", arguments->output,
                   "Where to write the choice (default: deployment.toml beside the report)")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_select(*arguments);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace fovea::cli
