#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/result.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/prompt.h"
#include "engine/scheduler.h"
#include "grammar/grammar_cache.h"

namespace fovea::engine {

struct EngineOptions {
  SchedulerOptions scheduler;
  std::size_t max_waiting = 64;  ///< requests that may wait to be computed; more are refused
  Observer* observer = nullptr;  ///< or none; outlives the engine
};

struct EngineStatistics : SchedulerStatistics {
  std::size_t submitted = 0, finished = 0, refused = 0;
  double usual_ms = 0;  ///< between two answers lately, while there was work; 0: not known yet
};

/// A loaded model that answers many requests at once, on a thread of its own. Thread-safe.
class Engine {
 public:
  Engine(std::unique_ptr<LoadedModel> loaded, const EngineOptions& options);
  /// stop()
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// The prompt of a conversation, made on the caller's thread. Errors: as make_prompt.
  [[nodiscard]] Result<Prompt> prepare(std::span<const Turn> turns, Detail detail = Detail::kFull) const;

  /// Takes a request; its callbacks are called on the engine's thread. A refusal is told to on_done before
  /// this returns: kOverloaded (as many wait as may), kDeadline (it would not be done in time),
  /// kUnavailable (stopped).
  void submit(GenerationRequest request);

  /// Ends what runs with kCancelled, and refuses what comes with kUnavailable. Not to be called by a
  /// callback.
  void stop();

  /// Seconds, 1 to 60, after which a place is likely.
  [[nodiscard]] int retry_after_s() const;
  /// Requests submitted and not finished.
  [[nodiscard]] std::size_t pending() const;
  [[nodiscard]] EngineStatistics statistics() const;

  [[nodiscard]] const models::smolvlm::Config& config() const { return loaded_->config(); }
  [[nodiscard]] const text::Tokenizer& tokenizer() const { return loaded_->tokenizer(); }
  [[nodiscard]] const models::smolvlm::Model& model() const { return loaded_->model(); }
  /// Grammars over the model's tokens, compiled once.
  [[nodiscard]] grammar::GrammarCache& grammars() { return grammars_; }

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  void finished_one();
  [[nodiscard]] std::optional<Error> refusal(const GenerationRequest& request) const;
  [[nodiscard]] std::size_t pending_locked() const;  // mutex_ is held

  std::unique_ptr<LoadedModel> loaded_;
  grammar::GrammarCache grammars_;
  const EngineOptions options_;

  mutable std::mutex mutex_;  // guards all below but thread_
  std::condition_variable changed_;
  std::vector<GenerationRequest> arrived_;  // not yet with the scheduler
  EngineStatistics statistics_;
  Clock::time_point busy_since_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace fovea::engine
