#include "evaluate/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/statistics.h"
#include "image/decode.h"
#include "recognize/service.h"

namespace fovea::evaluate {
namespace {

Count& field_count(Evaluation& evaluation, const std::string& name) {
  const auto found = std::ranges::find(evaluation.fields, name, &std::pair<std::string, Count>::first);
  if (found != evaluation.fields.end()) return found->second;
  return evaluation.fields.emplace_back(name, Count{}).second;
}

void compare(Evaluation& evaluation, const Example& example, const recognize::Recognition& answer) {
  bool all_right = answer.ok();
  for (const auto& [name, truth] : example.truth.items()) {
    const auto found = answer.fields.find(name);
    const bool right = found != answer.fields.end() && *found == truth;
    all_right = all_right && right;
    Count& count = field_count(evaluation, name);
    ++count.compared;
    count.right += right ? 1 : 0;
    const auto confidence = answer.confidence.find(name);
    if (confidence != answer.confidence.end() && confidence->is_number()) {
      evaluation.scored.emplace_back(name, Scored{.confidence = confidence->get<double>(), .right = right});
    }
  }
  double sureness = answer.ok() && answer.confidence.is_object() && !answer.confidence.empty() ? 1 : 0;
  for (const auto& [name, confidence] : answer.confidence.items()) {
    if (confidence.is_number()) sureness = std::min(sureness, confidence.get<double>());
  }
  evaluation.sureness.push_back(sureness);
  if (const auto truth = example.truth.find(tasks::kLabelField);
      !evaluation.confusion.empty() && truth != example.truth.end()) {
    evaluation.confusion.add(*truth, answer.fields.value(tasks::kLabelField, nlohmann::ordered_json()));
  }
  ++evaluation.whole.compared;
  evaluation.whole.right += all_right ? 1 : 0;
  evaluation.right.push_back(all_right);
  evaluation.failed += answer.ok() ? 0 : 1;
}

}  // namespace

double percentile(std::span<const double> sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

Result<std::vector<Example>> read_manifest(const std::filesystem::path& directory) {
  const auto path = directory / "manifest.jsonl";
  FOVEA_TRY(const std::string text, read_file(path));
  std::vector<Example> examples;
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    FOVEA_TRY(const nlohmann::json json, parse_json(line, where));
    if (!json.is_object() || !json.contains("image") || !json["image"].is_string() ||
        !json.contains("truth") || !json["truth"].is_object()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: expected {{\"image\": \"a.webp\", \"truth\": {{…}}}}", where));
    }
    examples.push_back({.image = directory / json["image"].get<std::string>(), .truth = json["truth"]});
  }
  return examples;
}

std::array<double, 2> wilson_interval95(const Count& count) {
  return fovea::wilson_interval95(count.right, count.compared);
}

nlohmann::ordered_json Evaluation::to_json() const {
  nlohmann::ordered_json by_field = nlohmann::ordered_json::object();
  for (const auto& [name, count] : fields) by_field[name] = count.rate();
  nlohmann::ordered_json json{{"model", model},           {"n", whole.compared},
                              {"accuracy", whole.rate()}, {"interval95", wilson_interval95(whole)},
                              {"fields", by_field},       {"latency_ms", {{"p50", p50_ms}, {"p95", p95_ms}}}};
  if (routing) {
    json["strategy"] = routing->strategy;
    if (routing->threshold) json["threshold"] = *routing->threshold;
    if (routing->escalated) json["escalated"] = *routing->escalated;
  }
  if (!confusion.empty()) json["confusion"] = confusion.to_json();
  if (!scored.empty()) json["calibration"] = reliability().to_json();
  return json;
}

Reliability Evaluation::reliability() const {
  std::vector<Scored> all;
  all.reserve(scored.size());
  for (const auto& [field, answer] : scored) all.push_back(answer);
  return evaluate::reliability(all);
}

Result<Evaluation> evaluate(recognize::Backend& backend, const tasks::Task& task,
                            const std::vector<Example>& examples, const Progress& progress) {
  if (examples.empty()) return fail(ErrorCode::kInvalidArgument, "the manifest names no pictures");
  Evaluation evaluation;
  evaluation.model = backend.models().front().id;
  for (const tasks::Field& field : task.fields) evaluation.fields.emplace_back(field.name, Count{});
  if (task.kind == tasks::Kind::kLabels) {
    std::vector<std::string> labels;
    labels.reserve(task.labels.size());
    for (const tasks::Label& label : task.labels) labels.push_back(label.name);
    evaluation.confusion = Confusion(std::move(labels));
  }
  std::vector<double> latencies;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Example& example = examples[i];
    recognize::Recognition answer;
    if (const auto bytes = read_file(example.image, image::kMaxFileBytes)) {
      recognize::Request request{.request_id = "",
                                 .file = example.image.string(),
                                 .bytes = std::as_bytes(std::span(*bytes)),
                                 .task = task.name};
      answer = recognize::recognize_now(backend, std::move(request));
      if (answer.ok()) latencies.push_back(answer.timings.total_ms);
    } else {
      answer.file = example.image.string();
      answer.error = bytes.error();
    }
    compare(evaluation, example, answer);
    if (progress) progress(i + 1, example, answer);
  }
  std::erase_if(evaluation.fields, [](const auto& field) { return field.second.compared == 0; });
  std::ranges::sort(latencies);
  if (!latencies.empty()) {
    evaluation.p50_ms = percentile(latencies, 0.50);
    evaluation.p95_ms = percentile(latencies, 0.95);
  }
  return evaluation;
}

}  // namespace fovea::evaluate
