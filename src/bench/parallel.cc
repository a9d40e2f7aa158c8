#include "bench/parallel.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "bench/picture.h"
#include "bench/statistics.h"
#include "image/decode.h"
#include "recognize/task_pool.h"

namespace fovea::bench {
namespace {

/// What some requests came to, gathered from the threads on which they end.
class Answers {
 public:
  void add(double latency_ms, std::optional<Error> error) {
    const std::scoped_lock lock(mutex_);
    latencies_.push_back(latency_ms);
    if (error) error_ = std::move(error);
    changed_.notify_one();  // under the lock: who waits may end this object as soon as it has it
  }

  /// The milliseconds that each took, once there are so many.
  Result<std::vector<double>> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return latencies_.size() >= count; });
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(latencies_);
  }

 private:
  std::mutex mutex_;  // guards the others
  std::condition_variable changed_;
  std::vector<double> latencies_;
  std::optional<Error> error_;
};

/// Clients of one engine, and the threads that a server has between them and it.
class Clients {
 public:
  Clients(engine::Engine& engine, std::size_t count) : engine_(engine) {
    // The same picture again would be found among those that the engine has under way.
    for (std::size_t i = 0; i < count; ++i) jpegs_.push_back(make_jpeg(kPictureSeed + i));
  }

  /// So many of them ask at once; gives the milliseconds that each waited.
  Result<std::vector<double>> ask(std::size_t count) {
    Answers answers;
    const Stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) {
      pool_.run(engine::Priority::kNormal, [this, i, watch, &answers] { send(jpegs_[i], watch, answers); });
    }
    return answers.wait(count);
  }

 private:
  void send(std::span<const std::byte> jpeg, const Stopwatch& watch, Answers& answers) {
    auto prompt = prepare(jpeg);
    if (!prompt) return answers.add(watch.elapsed_ms(), std::move(prompt).error());
    engine::GenerationRequest request;
    request.prompt = std::move(*prompt);
    request.max_new_tokens = kNewTokens;
    request.sampling.ignore_eos = true;
    request.on_done = [watch, &answers](engine::Generation done) {
      answers.add(watch.elapsed_ms(), std::move(done.error));
    };
    engine_.submit(std::move(request));
  }

  Result<engine::Prompt> prepare(std::span<const std::byte> jpeg) {
    FOVEA_TRY(const image::Image picture, image::decode_image(jpeg));
    const engine::Turn turn{.role = "user", .content = {&picture, kQuestion}};
    return engine_.prepare({&turn, 1});
  }

  engine::Engine& engine_;
  std::vector<std::vector<std::byte>> jpegs_;
  recognize::TaskPool pool_{recognize::kPrepareThreads};  // the last: its threads use the others
};

}  // namespace

engine::EngineOptions parallel_options(std::size_t parallel) {
  engine::EngineOptions options;
  options.max_waiting = parallel;
  // Clients send another picture every time; here those of the round before come again.
  options.scheduler.embedding_bytes = 0;
  options.scheduler.prefix_entries = 0;
  return options;
}

Result<Concurrency> measure_parallel(engine::Engine& engine, std::size_t parallel, std::size_t rounds) {
  Clients clients(engine, parallel);
  std::vector<double> alone, together, latencies;
  FOVEA_TRY(const std::vector<double> ignored, clients.ask(1));
  for (std::size_t round = 0; round < rounds; ++round) {
    FOVEA_TRY(const std::vector<double> one, clients.ask(1));
    alone.push_back(one.front());
    FOVEA_TRY(const std::vector<double> all, clients.ask(parallel));
    together.push_back(percentile(all, 1));  // all were sent at the same moment: the last answer ends them
    latencies.insert(latencies.end(), all.begin(), all.end());
  }
  Concurrency result{.parallel = parallel, .requests = latencies.size()};
  result.alone_ms = median(alone);
  result.together_ms = median(together);
  result.requests_per_s = 1000 * static_cast<double>(parallel) / result.together_ms;
  result.p50_ms = percentile(latencies, 0.5);
  result.p95_ms = percentile(latencies, 0.95);
  return result;
}

}  // namespace fovea::bench
