#include "routing/steady_timers.h"

#include <utility>

namespace fovea::routing {

Timers::Id SteadyTimers::schedule(TimePoint when, std::move_only_function<void()> function) {
  return timer_.schedule(when, std::move(function));
}

void SteadyTimers::cancel(const Id& id) {
  timer_.cancel(id);
}

}  // namespace fovea::routing
