#include "serve_parts.h"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common.h"
#include "recognize/routed_service.h"
#include "registry/locate.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

Result<nlohmann::ordered_json> to_json(const Result<reviews::Review>& review) {
  if (!review) return std::unexpected(review.error());
  return review->to_json();
}

reviews::Decider decider(const server::ReviewDesk::Decision& decision) {
  return {.who = decision.who, .supersede = decision.supersede};
}

}  // namespace

Result<config::Config> config_of(const std::string& file) {
  if (file.empty()) return config::Config{};
  auto read = config::read_config(file);
  if (!read) return fail(ErrorCode::kUsage, read.error().message);
  return std::move(*read);
}

Result<cache::TieredCacheOptions> cache_options(const config::Config::Cache& config) {
  cache::TieredCacheOptions options;
  options.memory.max_entries = config.memory_entries;
  options.memory.max_bytes = config.memory_bytes;
  if (!config.redis_url.empty()) {
    FOVEA_TRY(options.redis, cache::parse_redis_url(config.redis_url));
    options.redis->ttl = std::chrono::seconds(config.ttl_s);
  }
  const std::string database = !config.database_url.empty()    ? config.database_url
                               : !config.database_path.empty() ? config.database_path
                                                               : cache::default_database_path().string();
  FOVEA_TRY(options.database, cache::parse_database(database));
  return options;
}

Result<nlohmann::ordered_json> QueueDesk::list(const std::string& state, std::size_t limit,
                                               std::int64_t after) {
  std::optional<reviews::State> wanted;
  if (!state.empty()) {
    wanted = reviews::parse_state(state);
    if (!wanted) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("no state \"{}\"; there is: pending, accepted, corrected, rejected", state));
    }
  }
  FOVEA_TRY(const reviews::Page page, queue_->list(wanted, limit, after));
  nlohmann::ordered_json json{{"reviews", nlohmann::ordered_json::array()}, {"after", nullptr}};
  for (const reviews::Review& review : page.reviews) json["reviews"].push_back(review.to_json());
  if (page.after) json["after"] = *page.after;
  return json;
}

Result<nlohmann::ordered_json> QueueDesk::get(std::int64_t id) {
  return to_json(queue_->get(id));
}

Result<nlohmann::ordered_json> QueueDesk::accept(std::int64_t id, const Decision& decision) {
  return to_json(queue_->accept(id, decider(decision)));
}

Result<nlohmann::ordered_json> QueueDesk::correct(std::int64_t id, const nlohmann::ordered_json& fields,
                                                  const Decision& decision) {
  return to_json(queue_->correct(id, fields, decider(decision)));
}

Result<nlohmann::ordered_json> QueueDesk::reject(std::int64_t id, const std::string& reason,
                                                 const Decision& decision) {
  return to_json(queue_->reject(id, reason, decider(decision)));
}

Result<recognize::ServiceOptions> service_options(const config::Config& config,
                                                  const engine::GeneratorOptions& generator) {
  recognize::ServiceOptions options{.model = {}, .generator = generator};
  const auto paths = tasks::task_paths(config.tasks.directories);
  FOVEA_TRY(auto set, tasks::TaskSet::load(paths));
  options.tasks = std::make_shared<const tasks::TaskSet>(std::move(set));
  options.catalogue = open_catalogue();
  if (config.cache.enabled) {
    FOVEA_TRY(auto tiers, cache_options(config.cache));
    options.cache = std::make_shared<cache::TieredCache>(std::move(tiers));
  }
  auto queue = reviews::ReviewQueue::open(reviews::ReviewQueue::default_folder(), options.tasks);
  if (queue) {
    options.reviews = std::move(*queue);
  } else {
    fmt::print(stderr, "fovea: warning: doubtful readings are not kept for review: {}\n",
               queue.error().message);
  }
  options.engine.max_waiting = config.limits.queue_capacity;
  engine::SchedulerOptions& scheduler = options.engine.scheduler;
  scheduler.key_value_bytes = config.engine.kv_budget_mb << 20;
  if (config.engine.max_batch != 0) scheduler.max_sequences = config.engine.max_batch;
  if (config.engine.vision_batch != 0) scheduler.vision_batch = config.engine.vision_batch;
  return options;
}

namespace {

Result<std::vector<std::filesystem::path>> model_folders(const config::Config& config,
                                                         const tasks::TaskSet& tasks) {
  std::vector<std::filesystem::path> folders;
  for (const auto& model : config.models) {
    FOVEA_TRY(folders.emplace_back(), registry::locate_model(model.path.empty() ? model.name : model.path));
  }
  if (!folders.empty()) return folders;
  FOVEA_TRY(folders.emplace_back(), registry::locate_model(kDefaultModel));
  for (const std::string& task : tasks.names()) {
    const tasks::DefaultModels& models = tasks.find(task)->models;
    for (const std::string& name : {models.accurate, models.fast}) {
      if (name.empty()) continue;
      const auto folder = registry::locate_model(name);
      if (folder && std::ranges::find(folders, *folder) == folders.end()) folders.push_back(*folder);
    }
  }
  return folders;
}

}  // namespace

Result<std::unique_ptr<recognize::Backend>> open_backend(const config::Config& config,
                                                         const recognize::ServiceOptions& options,
                                                         spdlog::logger& logger) {
  FOVEA_TRY(const auto folders, model_folders(config, *options.tasks));
  if (folders.size() == 1 && config.router.tasks.empty() && config.faults.empty()) {
    recognize::ServiceOptions alone = options;
    alone.model = folders.front();
    return recognize::Service::open(alone);
  }
  recognize::RoutedServiceOptions routed{.models = {},
                                         .catalogue = options.catalogue,
                                         .reviews = options.reviews,
                                         .router = config.router,
                                         .faults = config.faults};
  for (const std::filesystem::path& folder : folders) {
    routed.models.push_back(options);
    routed.models.back().model = folder;
  }
  routed.breaker_changed = [&logger](const std::string& model,
                                     const routing::CircuitBreaker::Change& change) {
    logger.warn("breaker of {}: {} to {}: {}", model, routing::state_name(change.from),
                routing::state_name(change.to), change.why);
  };
  return recognize::RoutedService::open(std::move(routed));
}

}  // namespace fovea::cli
