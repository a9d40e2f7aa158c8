#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "routing/core.h"

namespace fovea::routing {
namespace {

/// One call whose answer nobody is given. Ends once: by an answer, by its timeout, or when the router closes.
class ShadowCall : public std::enable_shared_from_this<ShadowCall> {
 public:
  ShadowCall(std::shared_ptr<Core> core, ShadowBook::Key key, std::shared_ptr<const Question> question,
             Answer given, double given_ms, ModelHealth& health, CircuitBreaker::Permit permit)
      : core_(std::move(core)),
        key_(std::move(key)),
        question_(std::move(question)),
        given_(std::move(given)),
        given_ms_(given_ms),
        health_(health),
        permit_(std::move(permit)) {}

  void start() {
    core_->begin();
    core_->shadows.started(key_);
    health_.count(&ModelCounts::calls);
    started_ = core_->timers.now();
    const TimePoint give_up = started_ + health_.timeout;
    timer_ = core_->timers.schedule(give_up, [self = shared_from_this()] { self->time_out(); });
    closing_.emplace(core_->closing.get_token(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->close();
    });
    if (over_) return;
    core_->models.ask(
        {.model = key_.second, .question = question_, .give_up = give_up, .stop = stop_.get_token()},
        [self = shared_from_this()](Result<Answer> answer) { self->answered(std::move(answer)); });
  }

 private:
  [[nodiscard]] bool claim() { return !over_.exchange(true); }

  void answered(Result<Answer> answer) {
    if (!claim()) return;
    core_->timers.cancel(timer_);
    const TimePoint now = core_->timers.now();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(now - started_);
    answer = check_form(*question_, std::move(answer));
    if (answer) {
      permit_.succeed(now, took);
      health_.latency.record(now, milliseconds_between(started_, now));
      health_.count(&ModelCounts::answers);
      core_->shadows.compare(key_, question_->task, given_, given_ms_, *answer,
                             milliseconds_between(started_, now));
    } else {
      core_->shadows.failed(key_);
      if (blame_of(answer.error().code) == Blame::kModel) {
        permit_.fail(now, took, answer.error().message);
        health_.count(&ModelCounts::errors);
      } else {
        permit_.withdraw();
        health_.count(&ModelCounts::refusals);
      }
    }
    end();
  }

  void time_out() {
    if (!claim()) return;
    const TimePoint now = core_->timers.now();
    permit_.fail(now, std::chrono::duration_cast<std::chrono::milliseconds>(now - started_),
                 fmt::format("no answer within {} ms", health_.timeout.count()));
    health_.count(&ModelCounts::errors);
    health_.count(&ModelCounts::timeouts);
    core_->shadows.failed(key_);
    end();
  }

  void close() {
    if (!claim()) return;
    core_->timers.cancel(timer_);
    permit_.withdraw();
    health_.count(&ModelCounts::given_up);
    end();
  }

  void end() {
    stop_.request_stop();
    --core_->shadows_in_flight;
    core_->end();
  }

  const std::shared_ptr<Core> core_;
  const ShadowBook::Key key_;
  const std::shared_ptr<const Question> question_;
  const Answer given_;
  const double given_ms_;
  ModelHealth& health_;
  CircuitBreaker::Permit permit_;
  TimePoint started_;
  Timers::Id timer_;
  std::atomic<bool> over_ = false;
  std::stop_source stop_;
  std::optional<std::stop_callback<std::function<void()>>> closing_;
};

}  // namespace

void shadow(const std::shared_ptr<Core>& core, const std::string& task, const std::string& candidate,
            const std::shared_ptr<const Question>& question, Answer given, double given_ms) {
  const ShadowBook::Key key{task, candidate};
  ModelHealth* health = core->find(candidate);
  if (health == nullptr || core->kill_switch.off(candidate)) return core->shadows.skipped(key);
  if (++core->shadows_in_flight > core->policy.shadow_max_in_flight) {
    --core->shadows_in_flight;
    return core->shadows.skipped(key);
  }
  auto permit = health->breaker.acquire(core->timers.now());
  if (!permit) {
    --core->shadows_in_flight;
    return core->shadows.skipped(key);
  }
  Question behind = *question;
  behind.priority = engine::Priority::kBatch;  // nobody waits for it
  std::make_shared<ShadowCall>(core, key, std::make_shared<const Question>(std::move(behind)),
                               std::move(given), given_ms, *health, std::move(*permit))
      ->start();
}

}  // namespace fovea::routing
