#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "image/image.h"
#include "recognize/backend.h"
#include "tasks/task.h"

namespace fovea::recognize {

/// A decoded picture that a model is to read.
struct ReadRequest {
  const tasks::Task* task = nullptr;  ///< one that Reader::learn() took
  image::Image picture;
  bool glance = false;  ///< a quick, coarse look at the whole picture: Reader::can_glance()
  engine::Priority priority = engine::Priority::kNormal;
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  std::stop_token stop = {};
};

/// What a model says of a picture, before calibration and checks.
struct Reading {
  std::optional<Error> error;
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();  ///< in the task's order; null: not shown
  std::vector<std::pair<std::string, double>> logprobs;  ///< of fields: log-probability of the value given
  nlohmann::ordered_json probabilities;  ///< label: probability, for tasks with labels; else null
  Timings timings;
};

/// A model of one family, as a Service asks it. Thread-safe after the last learn().
class Reader {
 public:
  virtual ~Reader() = default;

  [[nodiscard]] virtual const ModelInfo& model() const = 0;

  /// Prepares for a task, which stays where it is while the reader lives. Errors: why this model cannot
  /// answer it.
  virtual Result<void> learn(const tasks::Task& task) = 0;

  /// What besides the model's version and the task decides its answers, for cache keys: the precision, say.
  [[nodiscard]] virtual std::map<std::string, std::string> parameters() const = 0;

  /// Whether there is a quicker look at this picture than reading it.
  [[nodiscard]] virtual bool can_glance(const image::Image& picture) const = 0;

  using ReadingDone = std::move_only_function<void(Reading)>;
  /// Reads a picture; prepares it on the calling thread. `done` is called once, on any thread, perhaps before
  /// this returns; it must not block or throw.
  virtual void read(ReadRequest request, ReadingDone done) = 0;

  /// Answers a conversation; decodes its pictures on the calling thread. Like Backend::chat(), but for the
  /// limits and the model's name, which are the caller's business.
  virtual void chat(ChatRequest request, ChatListener listener) = 0;

  /// Requests that may be with the model, running and waiting.
  [[nodiscard]] virtual std::size_t capacity() const = 0;
  /// Seconds after which one that was refused may try again.
  [[nodiscard]] virtual int retry_after_s() const = 0;
  /// Figures by name, as Backend::stats().
  [[nodiscard]] virtual nlohmann::ordered_json stats() const = 0;
  /// Ends what runs and waits with kCancelled, and refuses what comes.
  virtual void stop() = 0;
};

}  // namespace fovea::recognize
