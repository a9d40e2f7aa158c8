#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cache/options.h"
#include "config/config.h"
#include "engine/scheduler.h"
#include "metrics/metrics.h"
#include "recognize/backend.h"
#include "recognize/service.h"
#include "reviews/reviews.h"
#include "server/review_desk.h"

namespace spdlog {
class logger;
}

namespace fovea::cli {

/// What the engine tells, as metrics.
class EngineMetrics final : public engine::Observer {
 public:
  explicit EngineMetrics(metrics::Metrics& metrics) : metrics_(metrics) {}
  void started(double queue_ms) override { metrics_.observe_queue_wait(queue_ms / 1000); }
  void first_token(double ms) override { metrics_.observe_time_to_first_token(ms / 1000); }
  void next_token(double ms) override { metrics_.observe_time_per_token(ms / 1000); }
  void text_batch(std::size_t sequences, std::size_t) override { metrics_.observe_decode_batch(sequences); }
  void vision_batch(std::size_t frames) override { metrics_.observe_vision_batch(frames); }

 private:
  metrics::Metrics& metrics_;
};

/// The review queue, as the endpoints under /reviews ask for it.
class QueueDesk final : public server::ReviewDesk {
 public:
  explicit QueueDesk(std::shared_ptr<reviews::ReviewQueue> queue) : queue_(std::move(queue)) {}

  Result<nlohmann::ordered_json> list(const std::string& state, std::size_t limit,
                                      std::int64_t after) override;
  Result<nlohmann::ordered_json> get(std::int64_t id) override;
  Result<std::string> picture(std::int64_t id) override { return queue_->picture(id); }
  Result<nlohmann::ordered_json> accept(std::int64_t id, const Decision& decision) override;
  Result<nlohmann::ordered_json> correct(std::int64_t id, const nlohmann::ordered_json& fields,
                                         const Decision& decision) override;
  Result<nlohmann::ordered_json> reject(std::int64_t id, const std::string& reason,
                                        const Decision& decision) override;

 private:
  std::shared_ptr<reviews::ReviewQueue> queue_;
};

/// What a configuration file says; the defaults where there is no file. Errors: kUsage.
Result<config::Config> config_of(const std::string& file);

/// The tiers that keep answers, as a configuration has them. Errors: kUsage, without the passwords.
Result<cache::TieredCacheOptions> cache_options(const config::Config::Cache& config);

/// What a service behind the server is made of, as a configuration has it, but for the model. A catalogue or
/// a review queue that cannot be opened is told and left out: answers matter more.
Result<recognize::ServiceOptions> service_options(const config::Config& config,
                                                  const engine::GeneratorOptions& generator);

/// The models that a configuration names; where it names none, the default one and those that the tasks name
/// and that can be found. One answers alone; several stand behind a router. Errors: as
/// recognize::RoutedService::open.
Result<std::unique_ptr<recognize::Backend>> open_backend(const config::Config& config,
                                                         const recognize::ServiceOptions& options,
                                                         spdlog::logger& logger);

}  // namespace fovea::cli
