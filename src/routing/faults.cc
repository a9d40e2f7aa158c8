#include "routing/faults.h"

#include <fmt/format.h>

#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "routing/sticky.h"

namespace fovea::routing {
namespace {

std::chrono::nanoseconds nanoseconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

/// A call that is answered by nobody until its stop is requested.
class Hanging : public std::enable_shared_from_this<Hanging> {
 public:
  explicit Hanging(ModelCall::Done done) : done_(std::move(done)) {}

  static void start(const std::stop_token& stop, ModelCall::Done done) {
    auto hanging = std::make_shared<Hanging>(std::move(done));
    // The callback owns the call, and the call its callback, until the stop comes.
    hanging->stopped_.emplace(stop, [hanging] { hanging->answer(); });
    hanging->release();
  }

 private:
  // The stop may come while the callback is still being made: whoever is second lets go of it.
  void answer() {
    done_(fail(ErrorCode::kCancelled, "the injected fault hung until the call was given up"));
    release();
  }
  void release() {
    bool second = false;
    {
      const std::lock_guard lock(mutex_);
      second = std::exchange(one_came_, true);
    }
    if (second) {
      const auto self = shared_from_this();
      stopped_.reset();
    }
  }

  ModelCall::Done done_;
  std::mutex mutex_;
  bool one_came_ = false;  // guarded by mutex_
  std::optional<std::stop_callback<std::function<void()>>> stopped_;
};

}  // namespace

FaultyModels::FaultyModels(ModelCall& models, Timers& timers, std::span<const config::FaultConfig> faults)
    : models_(models), timers_(timers) {
  const TimePoint now = timers.now();
  for (const config::FaultConfig& fault : faults) {
    const TimePoint from = now + nanoseconds(fault.after_s);
    faults_.push_back({.model = fault.model,
                       .kind = fault.kind == "slow"          ? Kind::kSlow
                               : fault.kind == "hang"        ? Kind::kHang
                               : fault.kind == "wrong-shape" ? Kind::kWrongShape
                                                             : Kind::kError,
                       .probability = fault.probability,
                       .seed = fault.seed,
                       .from = from,
                       .until = fault.for_s > 0 ? from + nanoseconds(fault.for_s) : TimePoint::max(),
                       .delay = std::chrono::milliseconds(fault.delay_ms)});
  }
}

const FaultyModels::Fault* FaultyModels::struck(const std::string& model, TimePoint now) const {
  for (const Fault& fault : faults_) {
    if (!fault.model.empty() && fault.model != model) continue;
    if (now < fault.from || now >= fault.until) continue;
    const std::uint64_t call = fault.calls->fetch_add(1);
    if (sticky_point(std::to_string(fault.seed), model + "#" + std::to_string(call)) < fault.probability) {
      return &fault;
    }
  }
  return nullptr;
}

void FaultyModels::ask(Ask ask, Done done) {
  const Fault* fault = struck(ask.model, timers_.now());
  if (fault == nullptr) return models_.ask(std::move(ask), std::move(done));
  switch (fault->kind) {
    case Kind::kError:
      return done(fail(ErrorCode::kInternal, fmt::format("an injected fault of {}", ask.model)));
    case Kind::kHang:
      return Hanging::start(ask.stop, std::move(done));
    case Kind::kWrongShape:
      return models_.ask(std::move(ask), [done = std::move(done)](Result<Answer> answer) mutable {
        if (answer) answer->fields = {{"injected_fault", "wrong-shape"}};
        done(std::move(answer));
      });
    case Kind::kSlow:
      return models_.ask(std::move(ask), [done = std::move(done), delay = fault->delay,
                                          timers = &timers_](Result<Answer> answer) mutable {
        timers->schedule(timers->now() + delay, [done = std::move(done), answer = std::move(answer)] mutable {
          done(std::move(answer));
        });
      });
  }
}

}  // namespace fovea::routing
