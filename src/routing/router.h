#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "routing/call.h"
#include "routing/decide.h"
#include "routing/figures.h"
#include "routing/policy.h"

namespace fovea::routing {

/// What became of one call within a request.
struct Attempt {
  std::string model = {};
  std::string outcome = {};  ///< "answered", "unsure", "failed", "timed_out", "given_up" or "left_out"
  std::string detail = {};   ///< why, for people; may be empty
  double ms = 0;
};

/// How a request ended.
struct Outcome {
  Result<Answer> answer = fail(ErrorCode::kInternal, "not answered");
  std::string model = {};  ///< that answered; of votes all of them, joined by "+"; empty: none did
  /// A model failed, was left out or came too late, and so the answer is another than the plan is after: of a
  /// model that it had not chosen, unsure, unconfirmed, or voted on by fewer. Plan::accepts() is the measure.
  bool degraded = false;
  std::string rule = {};  ///< the plan's; "fallback" where a model answered that the plan had not chosen
  std::string why = {};   ///< the plan's reason, then what happened
  std::string arm = {};   ///< of an A/B experiment
  std::vector<Attempt> attempts = {};     ///< in the order they began
  std::optional<int> retry_after_s = {};  ///< with an error: when another try may do
};

/// Who waits for an answer. The calls come one after the other, on any thread, perhaps before execute()
/// returns; they must not block.
struct Listener {
  /// A first answer that on_done's will replace; at most once, and before it. May be empty.
  std::move_only_function<void(const std::string& model, const Answer& answer)> on_preview;
  /// Exactly once.
  std::move_only_function<void(Outcome)> on_done;
};

/// What the router cannot know by itself.
struct Load {
  std::size_t queue_depth = 0;
  std::optional<std::uint64_t> free_memory_bytes = {};
  std::map<std::string, std::uint64_t, std::less<>> needs_bytes = {};  ///< of models that are not loaded
};

struct Core;

/// Decides which models answer a request, asks them, and makes the best of those that fail: the policy, and
/// for each model a breaker, its latencies and its counts. Has no thread of its own: it works on the threads
/// of those that call it, of the models' answers and of the timers. Thread-safe.
///
/// A request ends with an error only where the request itself is wrong, its time is up, its client has left,
/// or no model of its plan that is turned on gave an answer.
class Router {
 public:
  /// Told of breakers that change, for the log; called without locks.
  using BreakerListener = std::function<void(const std::string& model, const CircuitBreaker::Change& change)>;

  /// `models` and `timers` must outlive the router and every call that is under way.
  Router(Policy policy, ModelCall& models, Timers& timers, const BreakerListener& changed = {});
  /// Ends what is under way with kUnavailable, and waits for the callbacks that run. Not to be called by one.
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  [[nodiscard]] const Policy& policy() const;
  [[nodiscard]] SystemState state(const Load& load) const;

  /// decide() with the state of now. The task must be one of the policy's.
  [[nodiscard]] Plan decide(const RequestTraits& traits, const Load& load) const;

  /// Carries a plan out. `stop`: requested when the client has left; its calls are stopped then, and on_done
  /// is told kCancelled.
  /// Errors (in the outcome): kDeadline, kCancelled; kUnavailable, with retry_after_s, where no model may be
  /// asked or the router closes; the models' own otherwise.
  void execute(Plan plan, Question question, std::optional<TimePoint> deadline, std::stop_token stop,
               Listener listener);

  /// The kill switch: such a model is never asked, not even as a last resort; calls under way go on.
  /// Errors (kNotFound): there is no such model.
  Result<void> turn_off(const std::string& model, const std::string& why);
  Result<void> turn_on(const std::string& model);
  /// Closes a model's breaker at once. Errors (kNotFound).
  Result<void> close_breaker(const std::string& model);

  [[nodiscard]] RouterFigures figures() const;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace fovea::routing
