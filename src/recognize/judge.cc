#include "recognize/judge.h"

#include <fmt/format.h>

#include <utility>

#include "tasks/check.h"
#include "tasks/normalise.h"

namespace fovea::recognize {

void judge(const tasks::Task& task, catalog::Catalog* catalogue, Recognition& recognition) {
  if (!recognition.ok()) return;
  recognition.fields = tasks::clean_fields(task, std::move(recognition.fields));
  const auto known = catalogue == nullptr ? tasks::IsKnown() : catalogue->known_values(task);
  recognition.checks = tasks::check_reading(task, recognition.fields, known);
  if (catalogue == nullptr) return;
  recognition.candidates =
      catalogue->match(task, recognition.fields).value_or(std::vector<catalog::Candidate>());
}

Result<std::string> model_wanted(const Request& request, const tasks::Task& task) {
  if (request.role == ModelRole::kAny) return request.model;
  const bool fast = request.role == ModelRole::kFast;
  const std::string& name = fast ? task.models.fast : task.models.accurate;
  if (!name.empty()) return name;
  return fail(ErrorCode::kModelUnavailable,
              fmt::format("the task {} names no {} model", task.name, fast ? "fast" : "accurate"));
}

void settle(const tasks::Task& task, catalog::Catalog* catalogue, reviews::ReviewQueue* reviews,
            std::span<const std::byte> bytes, Recognition& recognition) {
  if (!recognition.ok()) return;
  judge(task, catalogue, recognition);
  if (task.kind == tasks::Kind::kLabels) {
    recognition.unsure = !recognition.confidence.is_object() ||
                         recognition.confidence.value(tasks::kLabelField, 0.0) < task.accept;
  }
  if (reviews == nullptr || recognition.cached) return;
  if (const auto reason = tasks::review_reason(task, recognition.confidence, recognition.checks)) {
    if (const auto added = reviews->add(recognition.to_json(), bytes, *reason))
      recognition.review_id = added->id;
  }
}

}  // namespace fovea::recognize
