#include <fmt/format.h>

#include <system_error>

#include "base/file.h"
#include "base/json.h"
#include "base/processors.h"
#include "cache/sha256.h"
#include "child_process.h"
#include "doctor/limits.h"
#include "evaluate/matrix.h"
#include "evaluate/matrix_table.h"
#include "evaluate/units.h"
#include "evaluate_arguments.h"
#include "evaluate_plan.h"
#include "kernels/kernels.h"
#include "registry/digests.h"
#include "registry/locate.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kInterrupted = 130;  // what shells give for Ctrl-C

std::string short_hex(const cache::Digest& digest, std::size_t digits) {
  return digest.hex().substr(0, digits);
}

/// Of the manifest and every picture that it names.
Result<std::string> data_digest(const fs::path& folder, const std::vector<evaluate::Example>& examples) {
  const registry::FileDigests digests(registry::FileDigests::default_store());
  FOVEA_TRY(const std::string manifest, read_file(folder / "manifest.jsonl"));
  cache::Sha256 sum;
  sum.add_sized(manifest);
  for (const evaluate::Example& example : examples) {
    sum.add_sized(digests.of(example.image).value_or("missing"));
  }
  return short_hex(sum.finish(), 12);
}

/// One comparison from its plan to its report.
class Comparison {
 public:
  explicit Comparison(const EvaluateArguments& arguments)
      : arguments_(arguments), folder_(arguments.report), kept_(folder_) {}

  Result<int> run();

 private:
  Result<void> describe();
  Result<void> make_folder(const fs::path& folder) const;
  Result<bool> add(const PlannedVariant& planned, std::size_t number, std::size_t total);
  Result<fs::path> checkpoint_of(const PlannedVariant& planned);
  [[nodiscard]] std::string key_of(const PlannedVariant& planned, const std::string& version) const;
  [[nodiscard]] std::vector<std::string> child_arguments(const PlannedVariant& planned,
                                                         const fs::path& folder, const char* what) const;
  Result<evaluate::Variant> measure(const PlannedVariant& planned, const fs::path& folder);
  Result<nlohmann::ordered_json> ask_child(const std::vector<std::string>& arguments);
  void print() const;

  const EvaluateArguments& arguments_;
  const fs::path folder_;
  const evaluate::Kept kept_;
  ChildRunner children_;
  evaluate::Matrix matrix_;
  std::string program_digest_;
  bool any_failed_ = false;
};

Result<void> Comparison::make_folder(const fs::path& folder) const {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return fail(ErrorCode::kIo,
              fmt::format("{}: cannot make this folder: {}", folder.string(), error.message()));
}

/// What the whole comparison has in common.
Result<void> Comparison::describe() {
  auto limit = evaluate::parse_quantity(arguments_.memory_limit, evaluate::Dimension::kBytes);
  if (!limit) return with_context(limit.error(), "--memory-limit");
  matrix_.memory_limit_bytes = static_cast<std::uint64_t>(*limit);
  FOVEA_TRY(const auto known_tasks, arguments_.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments_.task.name, ErrorCode::kUsage));
  FOVEA_TRY(const auto examples, evaluate::read_manifest(arguments_.data));
  if (examples.empty()) return fail(ErrorCode::kInvalidArgument, "the manifest names no pictures");
  FOVEA_TRY(const auto* kernels, kernels::active_kernels());
  const registry::FileDigests digests(registry::FileDigests::default_store());
  FOVEA_TRY(program_digest_, digests.of("/proc/self/exe"));
  FOVEA_TRY(matrix_.data_digest, data_digest(arguments_.data, examples));
  matrix_.program = "fovea " FOVEA_VERSION;
  matrix_.task = task->name;
  matrix_.task_digest = task->digest();
  matrix_.data = arguments_.data;
  matrix_.pictures = examples.size();
  matrix_.processor = doctor::processor("/").front().value;
  matrix_.threads = arguments_.model.threads != 0 ? arguments_.model.threads : allowed_processors().logical;
  matrix_.isa = kernels->isa;
  return {};
}

Result<int> Comparison::run() {
  auto models = split(arguments_.model.model);
  FOVEA_CHECK_OK(describe());
  if (arguments_.model.model.empty()) {
    FOVEA_TRY(const auto known_tasks, arguments_.task.load());
    models = {default_model(*known_tasks->find(arguments_.task.name))};
  }
  FOVEA_TRY(const EvaluationPlan plan, plan_evaluation(arguments_, models));
  matrix_.skipped = plan.skipped;
  FOVEA_CHECK_OK(make_folder(folder_));
  for (std::size_t i = 0; i < plan.variants.size(); ++i) {
    FOVEA_TRY(const bool goes_on, add(plan.variants[i], i + 1, plan.variants.size()));
    if (!goes_on) {
      FOVEA_CHECK_OK(evaluate::write_reports(matrix_, folder_));
      fmt::print(stderr, "fovea: interrupted: {} of {} variants are in {}; the same command goes on\n",
                 matrix_.variants.size(), plan.variants.size(), folder_.string());
      return kInterrupted;
    }
    matrix_.complete = i + 1 == plan.variants.size() && !any_failed_;
    FOVEA_CHECK_OK(evaluate::write_reports(matrix_, folder_));
  }
  print();
  return any_failed_ ? 1 : 0;
}

/// False when a signal asked for the end.
Result<bool> Comparison::add(const PlannedVariant& planned, std::size_t number, std::size_t total) {
  const auto say = [&](const std::string& what) {  // a line each: minutes may lie between them
    fmt::print(stderr, "fovea: {}/{} {}: {}\n", number, total, planned.name(), what);
    std::fflush(stderr);
  };
  const auto failed = [&](const Error& error) {
    say(error.message);
    matrix_.skipped.push_back({.name = planned.name(), .why = error.message});
    any_failed_ = true;
    return true;
  };
  if (children_.interrupted()) return false;
  const auto folder = checkpoint_of(planned);
  if (children_.interrupted()) return false;
  if (!folder) return failed(folder.error());
  const auto version = registry::model_version(*folder);
  if (!version) return failed(version.error());
  const std::string key = key_of(planned, *version);
  auto variant = kept_.find(key);
  if (variant) {
    say("kept from an earlier run");
  } else {
    say("measuring");
    auto measured = measure(planned, *folder);
    if (children_.interrupted()) return false;
    if (!measured) return failed(measured.error());
    measured->key = key;
    FOVEA_CHECK_OK(kept_.keep(*measured));
    variant = std::move(*measured);
    say("measured");
  }
  any_failed_ = any_failed_ || variant->failed > 0;
  matrix_.variants.push_back(std::move(*variant));
  return true;
}

/// The folder that a variant is read from. An int8 or int4 checkpoint is made in the report's folder, once:
/// a file beside it says of what.
Result<fs::path> Comparison::checkpoint_of(const PlannedVariant& planned) {
  if (!planned.quantise) return planned.source;
  const fs::path made = folder_ / "models" / fmt::format("{}-{}", planned.model, planned.dtype);
  const fs::path note = made.string() + ".made-from";
  FOVEA_TRY(const std::string version, registry::model_version(planned.source));
  std::string calibration = "nothing";
  if (!arguments_.calibrate.empty()) {
    FOVEA_TRY(const auto examples, evaluate::read_manifest(arguments_.calibrate));
    FOVEA_TRY(calibration, data_digest(arguments_.calibrate, examples));
  }
  const std::string origin = fmt::format("model {} task {} calibration {} program {}\n", version,
                                         matrix_.task_digest, calibration, program_digest_);
  std::error_code error;
  if (fs::exists(made / "config.json", error) && read_file(note).value_or("") == origin) return made;
  fs::remove_all(made, error);
  FOVEA_CHECK_OK(make_folder(made.parent_path()));
  std::vector<std::string> arguments{"quantize",          planned.source.string(), made.string(),
                                     "--weights",         planned.dtype,           "--task",
                                     arguments_.task.name};
  for (const std::string& path : arguments_.task.paths) arguments.insert(arguments.end(), {"--tasks", path});
  if (!arguments_.calibrate.empty()) {
    arguments.insert(arguments.end(), {"--calibrate", arguments_.calibrate});
  }
  FOVEA_TRY(const auto done, children_.run(arguments));
  if (done.exit_code != 0) return fail(ErrorCode::kInternal, "could not be quantised");
  FOVEA_CHECK_OK(write_file(note, origin));
  return made;
}

std::string Comparison::key_of(const PlannedVariant& planned, const std::string& version) const {
  cache::Sha256 sum;
  for (const std::string& part :
       {planned.name(), version, matrix_.data_digest, matrix_.task_digest, matrix_.program, program_digest_,
        matrix_.processor, matrix_.isa, arguments_.model.pin, arguments_.model.kv_cache}) {
    sum.add_sized(part);
  }
  sum.add_number(matrix_.threads).add_number(arguments_.cold_runs);
  sum.add_sized(fmt::format("{}", arguments_.load_seconds));
  return short_hex(sum.finish(), 16);
}

std::vector<std::string> Comparison::child_arguments(const PlannedVariant& planned, const fs::path& folder,
                                                     const char* what) const {
  std::vector<std::string> arguments{"evaluate",
                                     "--one-variant",
                                     what,
                                     "--task",
                                     arguments_.task.name,
                                     "--data",
                                     arguments_.data,
                                     "--model",
                                     folder.string(),
                                     "--threads",
                                     fmt::format("{}", matrix_.threads),
                                     "--pin",
                                     arguments_.model.pin,
                                     "--load-seconds",
                                     fmt::format("{}", arguments_.load_seconds)};
  for (const std::string& path : arguments_.task.paths) arguments.insert(arguments.end(), {"--tasks", path});
  if (planned.convert) arguments.insert(arguments.end(), {"--dtype", planned.dtype});
  if (!arguments_.model.kv_cache.empty()) {
    arguments.insert(arguments.end(), {"--kv-cache", arguments_.model.kv_cache});
  }
  if (arguments_.model.mlock) arguments.emplace_back("--mlock");
  if (arguments_.model.huge_pages) arguments.emplace_back("--huge-pages");
  return arguments;
}

Result<nlohmann::ordered_json> Comparison::ask_child(const std::vector<std::string>& arguments) {
  FOVEA_TRY(const auto done, children_.run(arguments));
  if (done.exit_code != 0) {
    return fail(
        ErrorCode::kUnavailable,
        done.signal != 0
            ? fmt::format("its process was ended by signal {}; too little memory?", done.signal)
            : fmt::format("could not be measured (exit status {}; the reason stands above)", done.exit_code));
  }
  return parse_ordered_json(done.out, "what the child printed");
}

Result<evaluate::Variant> Comparison::measure(const PlannedVariant& planned, const fs::path& folder) {
  std::vector<double> cold;
  for (std::size_t i = 0; i < arguments_.cold_runs; ++i) {
    FOVEA_TRY(const auto json, ask_child(child_arguments(planned, folder, "cold")));
    cold.push_back(json.value("first_answer_ms", 0.0));
  }
  FOVEA_TRY(const auto json, ask_child(child_arguments(planned, folder, "full")));
  FOVEA_TRY(auto variant, evaluate::Variant::from_json(json));
  variant.name = planned.name();
  variant.model = planned.model;
  variant.dtype = planned.dtype;
  variant.folder = fs::absolute(folder).lexically_normal().string();
  variant.as_stored = !planned.convert;
  variant.cold = evaluate::Latency::of(std::move(cold));
  return variant;
}

void Comparison::print() const {
  if (arguments_.json) {
    auto json = matrix_.to_json();
    json["report"] = folder_.string();
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  const evaluate::Table table = evaluate::overview_table(matrix_);
  // A terminal is narrow: a line for each figure, a column for each variant would be no better with many.
  for (const auto& row : table.rows) {
    fmt::print("{}\n", row.front());
    for (std::size_t i = 1; i < row.size(); ++i) fmt::print("  {:<22} {}\n", table.headings[i], row[i]);
  }
  for (const evaluate::Skipped& one : matrix_.skipped) {
    fmt::print("not measured: {}: {}\n", one.name, one.why);
  }
  fmt::print("{}\n", (folder_ / "report.html").string());
}

}  // namespace

Result<int> run_matrix(const EvaluateArguments& arguments) {
  return Comparison(arguments).run();
}

}  // namespace fovea::cli
