#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace fovea::engine {

Engine::Engine(std::unique_ptr<LoadedModel> loaded, const EngineOptions& options)
    : loaded_(std::move(loaded)),
      grammars_(loaded_->vocabulary()),
      options_(options),
      thread_([this] { run(); }) {}

Engine::~Engine() {
  stop();
}

void Engine::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<Prompt> Engine::prepare(std::span<const Turn> turns, Detail detail) const {
  return make_prompt(config(), tokenizer(), turns, detail);
}

void Engine::submit(GenerationRequest request) {
  std::unique_lock lock(mutex_);
  if (auto refused = refusal(request)) {
    ++statistics_.refused;
    lock.unlock();
    Generation result;
    result.error = std::move(refused);
    if (request.on_done) request.on_done(std::move(result));
    return;
  }
  if (pending_locked() == 0) busy_since_ = Clock::now();
  ++statistics_.submitted;
  request.submitted = Clock::now();
  request.on_done = [this, done = std::move(request.on_done)](Generation result) mutable {
    finished_one();
    if (done) done(std::move(result));
  };
  arrived_.push_back(std::move(request));
  lock.unlock();
  changed_.notify_one();
}

std::optional<Error> Engine::refusal(const GenerationRequest& request) const {
  if (stopped_) return Error{ErrorCode::kUnavailable, "the engine was stopped"};
  const std::size_t pending = pending_locked();
  if (pending >= options_.max_waiting + options_.scheduler.max_sequences) {
    return Error{
        ErrorCode::kOverloaded,
        fmt::format("{} requests are under way and waiting, as many as may; try again later", pending)};
  }
  if (request.deadline) {
    const std::chrono::duration<double, std::milli> left = *request.deadline - Clock::now();
    // High priority goes past those that wait.
    const std::size_t before =
        request.priority == Priority::kHigh ? std::min(pending, statistics_.running) : pending;
    const double needed = static_cast<double>(before + 1) * statistics_.usual_ms;
    if (left.count() <= 0 || needed > left.count()) {
      return Error{ErrorCode::kDeadline,
                   fmt::format("it would take about {:.0f} ms, the deadline leaves {:.0f}", needed,
                               std::max(0.0, left.count()))};
    }
  }
  return std::nullopt;
}

void Engine::finished_one() {
  const std::lock_guard lock(mutex_);
  ++statistics_.finished;
  const auto now = Clock::now();
  const double took = std::chrono::duration<double, std::milli>(now - busy_since_).count();
  busy_since_ = now;
  statistics_.usual_ms = statistics_.usual_ms == 0 ? took : 0.8 * statistics_.usual_ms + 0.2 * took;
}

std::size_t Engine::pending_locked() const {
  return statistics_.submitted - statistics_.finished;
}

std::size_t Engine::pending() const {
  const std::lock_guard lock(mutex_);
  return pending_locked();
}

int Engine::retry_after_s() const {
  const std::lock_guard lock(mutex_);
  const double seconds = static_cast<double>(pending_locked()) * statistics_.usual_ms / 1000;
  return static_cast<int>(std::clamp(std::ceil(seconds), 1.0, 60.0));
}

EngineStatistics Engine::statistics() const {
  const std::lock_guard lock(mutex_);
  EngineStatistics now = statistics_;
  now.waiting += arrived_.size();
  for (const auto& request : arrived_) ++now.waiting_of[static_cast<std::size_t>(request.priority)];
  return now;
}

void Engine::run() {
  Scheduler scheduler(loaded_->model(), loaded_->tokenizer(), loaded_->vocabulary(), loaded_->compute(),
                      options_.scheduler, options_.observer);
  std::vector<GenerationRequest> arrived;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      static_cast<SchedulerStatistics&>(statistics_) = scheduler.statistics();
      changed_.wait(lock, [&] { return stopped_ || !arrived_.empty() || !scheduler.idle(); });
      if (stopped_) break;
      arrived.swap(arrived_);
    }
    for (GenerationRequest& request : arrived) scheduler.add(std::move(request));
    arrived.clear();
    scheduler.step();
  }
  const Error error{ErrorCode::kCancelled, "the engine was stopped"};
  scheduler.abort(error);
  // Nothing is added any more: stopped_ is set.
  for (GenerationRequest& request : arrived_) {
    Generation result;
    result.error = error;
    if (request.on_done) request.on_done(std::move(result));
  }
}

}  // namespace fovea::engine
