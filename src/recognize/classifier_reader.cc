#include "recognize/classifier_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace fovea::recognize {

Result<void> ClassifierReader::learn(const tasks::Task& task) {
  const std::vector<std::string>& known = network_->config().labels;
  std::vector<std::size_t> classes;
  for (const tasks::Label& label : task.labels) {
    const auto found = std::ranges::find(known, label.name);
    if (found != known.end()) classes.push_back(static_cast<std::size_t>(found - known.begin()));
  }
  if (task.kind != tasks::Kind::kLabels || classes.size() != task.labels.size() ||
      classes.size() != known.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} cannot answer the task {}: it tells {} apart, and nothing else", info_.id,
                            task.name, fmt::join(known, ", ")));
  }
  classes_[&task] = std::move(classes);
  return {};
}

std::map<std::string, std::string> ClassifierReader::parameters() const {
  return {{"precision", models::micro_cnn::weight_type_name(network_->config().weights)}};
}

void ClassifierReader::read(ReadRequest request, ReadingDone done) {
  const tasks::Task& task = *request.task;
  const std::vector<std::size_t>& classes = classes_.at(&task);
  Reading reading;
  const Stopwatch watch;
  const auto prediction = network_->predict(request.picture);
  reading.timings.vision_ms = watch.elapsed_ms();
  // The device's probabilities are rounded one by one; here they add up to one.
  double total = 0;
  for (const std::size_t index : classes) total += static_cast<double>(prediction.probabilities[index]);
  std::size_t best = 0;
  reading.probabilities = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (prediction.logits[classes[i]] > prediction.logits[classes[best]]) best = i;
    reading.probabilities[task.labels[i].name] =
        static_cast<double>(prediction.probabilities[classes[i]]) / total;
  }
  const std::string& label = task.labels[best].name;
  reading.fields[tasks::kLabelField] = label;
  reading.logprobs.emplace_back(tasks::kLabelField, std::log(reading.probabilities[label].get<double>()));
  done(std::move(reading));
}

void ClassifierReader::chat(ChatRequest /*request*/, ChatListener listener) {
  ChatResult result;
  result.error = Error{ErrorCode::kInvalidArgument,
                       fmt::format("{} answers tasks, and does not talk; POST /recognize asks it", info_.id)};
  listener.on_done(std::move(result));
}

nlohmann::ordered_json ClassifierReader::stats() const {
  return {{"model", {{info_.id, {{"resident_bytes", network_->weight_bytes()}}}}}};
}

}  // namespace fovea::recognize
