#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "tasks/task.h"

namespace fovea::routing::test {

/// A task that asks for texts, each with its normalisers.
inline tasks::Task task_of(std::initializer_list<std::pair<std::string, std::vector<std::string>>> fields) {
  tasks::Task task;
  task.name = "t";
  task.prompt = "What?";
  for (const auto& [name, normalise] : fields) {
    tasks::Field& field = task.fields.emplace_back();
    field.name = name;
    field.normalise = normalise;
  }
  return task;
}

/// A task with one field, "value".
inline const tasks::Task& task_of_one_field() {
  static const tasks::Task kTask = task_of({{"value", {}}});
  return kTask;
}

inline tasks::Task task_of_labels(std::initializer_list<std::string> labels) {
  tasks::Task task = task_of({{tasks::kLabelField, {}}});
  task.kind = tasks::Kind::kLabels;
  for (const std::string& label : labels) task.labels.push_back({.name = label, .meaning = {}});
  return task;
}

}  // namespace fovea::routing::test
