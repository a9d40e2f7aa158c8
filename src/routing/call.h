#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/result.h"
#include "engine/request.h"
#include "tasks/task.h"

// What the router needs of the world: models that answer, and a clock.

namespace fovea::routing {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// What one model said of one picture.
struct Answer {
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  nlohmann::ordered_json confidence = nlohmann::ordered_json::object();  ///< field: calibrated probability
  nlohmann::ordered_json probabilities = nullptr;  ///< label: probability, for tasks with labels; else null
  std::optional<double> whole = {};  ///< calibrated probability that all of it is right, where known
  std::shared_ptr<const void> attachment =
      {};  ///< the caller's own; comes back with the answer that was chosen

  /// `whole`, or the least confidence of a field, or 0 where nothing is known: an answer without a confidence
  /// is not sure.
  [[nodiscard]] double sureness() const;
};

/// What is asked. Shared by all calls of a request, a shadow call that outlives it too.
struct Question {
  const tasks::Task* task = nullptr;  ///< answers that have not its form count as failures; null: any form
  engine::Priority priority = engine::Priority::kNormal;
  std::shared_ptr<const void> subject = {};  ///< the picture, as the caller's ModelCall takes it
};

/// One call of one model.
struct Ask {
  std::string model = {};
  std::shared_ptr<const Question> question = {};
  TimePoint give_up = {};     ///< when the answer is of no use any more; the stop is requested then
  std::stop_token stop = {};  ///< requested when nobody waits for it any more
};

/// The models. Thread-safe.
class ModelCall {
 public:
  virtual ~ModelCall() = default;
  using Done = std::move_only_function<void(Result<Answer>)>;

  /// Starts and returns at once. `done` is called exactly once, on any thread, perhaps before this returns,
  /// soon once the stop was requested; it does not block. Errors: see blame_of().
  virtual void ask(Ask ask, Done done) = 0;
};

/// What a model's error says about it.
enum class Blame {
  kRequest,  ///< the request is wrong: no other model would take it
  kNobody,   ///< not this model's fault (overloaded, deadline, stopped): another may answer
  kModel,    ///< the model failed
};
Blame blame_of(ErrorCode code);

/// Whether the same model may well answer when it is asked again.
bool may_pass(ErrorCode code);

/// A clock that rings. Thread-safe.
class Timers {
 public:
  virtual ~Timers() = default;
  using Id = std::pair<TimePoint, std::uint64_t>;

  [[nodiscard]] virtual TimePoint now() const = 0;
  /// Calls `function` at `when` or soon after, on any thread, never before this returns.
  virtual Id schedule(TimePoint when, std::move_only_function<void()> function) = 0;
  /// Forgets a function that has not begun; does not wait for one that has.
  virtual void cancel(const Id& id) = 0;
};

}  // namespace fovea::routing
