#include "recognize/judge.h"

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

}  // namespace fovea::recognize
