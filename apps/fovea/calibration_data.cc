#include "calibration_data.h"

#include <algorithm>
#include <utility>

#include "evaluate/evaluate.h"
#include "tasks/task_set.h"

namespace fovea::cli {

Result<compress::CalibrationData> calibration_data(const std::string& folder, std::size_t limit,
                                                   const TaskOptions& task) {
  FOVEA_TRY(const auto known_tasks, task.load());
  FOVEA_TRY(const tasks::Task* asked, known_tasks->require(task.name, ErrorCode::kUsage));
  FOVEA_TRY(auto examples, evaluate::read_manifest(folder));
  compress::CalibrationData data{
      .pictures = {}, .prompt = asked->prompt, .max_new_tokens = asked->max_new_tokens};
  examples.resize(std::min(examples.size(), limit));
  for (evaluate::Example& example : examples) data.pictures.push_back(std::move(example.image));
  return data;
}

}  // namespace fovea::cli
