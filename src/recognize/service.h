#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/options.h"
#include "cache/single_flight.h"
#include "cache/tiered_cache.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "image/decode.h"
#include "recognize/backend.h"
#include "recognize/calibration.h"
#include "recognize/reader.h"
#include "recognize/task_pool.h"
#include "reviews/reviews.h"
#include "tasks/task_set.h"

namespace fovea::recognize {

struct ServiceOptions {
  std::filesystem::path model;  ///< a checkpoint's directory
  engine::GeneratorOptions generator = {};
  engine::EngineOptions engine = {};
  image::DecodeLimits limits = {};
  std::shared_ptr<const tasks::TaskSet> tasks = tasks::builtin_tasks();
  std::shared_ptr<catalog::Catalog> catalogue = {};    ///< readings are compared with it; or null
  std::shared_ptr<cache::TieredCache> cache = {};      ///< may serve several models; null: no answer is kept
  std::shared_ptr<reviews::ReviewQueue> reviews = {};  ///< where doubtful readings wait for a person; or null
  bool calibrated = true;  ///< confidences go through what `fovea calibrate` stored with the model
  std::size_t prepare_threads = kPrepareThreads;  ///< that decode pictures and cut them
};

/// One model behind caches: a picture's way from its bytes to a checked answer. Bytes or pixels that were
/// answered before come from the cache; identical requests under way share one computation; the others are
/// decoded and cut on a few threads and computed by the engine, side by side. Thread-safe.
class Service : public Backend {
 public:
  /// Errors: as open_reader(); kInvalidModel for a calibration that cannot be read.
  static Result<std::unique_ptr<Service>> open(const ServiceOptions& options);
  /// The same around a reader that is there already: a test's, say.
  static Result<std::unique_ptr<Service>> open(const ServiceOptions& options, std::unique_ptr<Reader> reader);
  ~Service() override;

  void recognize(Request request, RecognitionDone done) override;
  void chat(ChatRequest request, ChatListener listener) override;
  [[nodiscard]] std::vector<ModelInfo> models() const override { return {model_}; }
  [[nodiscard]] std::vector<std::string> task_names() const override { return options_.tasks->names(); }
  [[nodiscard]] Readiness readiness() const override;
  [[nodiscard]] nlohmann::ordered_json stats() const override;
  void drain() override { draining_ = true; }
  /// Where the model lies.
  [[nodiscard]] const std::filesystem::path& folder() const { return options_.model; }
  /// Requests that are with the model, running and waiting.
  [[nodiscard]] std::size_t pending() const { return pending_; }

 private:
  /// What is the same for every picture of a task.
  struct TaskPlan {
    const tasks::Task* task;
    Calibration calibration;
    cache::Question question;
    std::optional<Error> unusable;  // why this model cannot answer it
  };
  struct Job;
  using JobPointer = std::shared_ptr<Job>;
  struct Computation;
  using ComputationPointer = std::shared_ptr<Computation>;

  Service(ServiceOptions options, std::unique_ptr<Reader> reader);
  Result<void> plan_tasks();
  [[nodiscard]] std::optional<Error> refusal(const Request& request) const;
  [[nodiscard]] Error overloaded() const;

  // The stations of a recognition, in order.
  bool answer_known_file(const JobPointer& job);
  void decode(const JobPointer& job);
  void look_up(const JobPointer& job);
  void fly(const JobPointer& job);
  void glance(const JobPointer& job, std::move_only_function<void()> then);
  using Computed = std::move_only_function<void(Recognition)>;
  static ComputationPointer computation_of(Job& job, std::stop_token stop);
  void compute(const ComputationPointer& computation, Computed computed);
  void read_turned(const ComputationPointer& computation, std::span<const int> turns, Computed computed);
  static bool worth_turning(const Computation& computation, int turn);
  void take_best(Computation& computation, Computed& computed);
  static void take_reading(Computation& computation, Reading reading);
  void store(const Computation& computation);
  bool take_stored(Job& job, const cache::Answer& stored, cache::Tier tier) const;
  void finish(const JobPointer& job);
  void answered();

  const ServiceOptions options_;
  const ModelInfo model_;
  std::vector<TaskPlan> plans_;
  std::atomic<bool> draining_ = false;
  std::atomic<std::size_t> pending_ = 0;  // recognitions and chats that were taken and not answered
  std::mutex idle_mutex_;                 // held where pending_ falls
  std::condition_variable idle_;

  cache::Timer timer_;
  cache::SingleFlight<Recognition> flights_;
  const std::shared_ptr<cache::TieredCache> cache_;  // null: none
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<TaskPool> pool_;  // the last, so that its threads end first: they use all of the above
};

/// recognize() for who wants to wait.
Recognition recognize_now(Backend& backend, Request request);

}  // namespace fovea::recognize
