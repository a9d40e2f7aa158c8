#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "cache/timer.h"
#include "config/router.h"
#include "recognize/backend.h"
#include "recognize/service.h"
#include "recognize/task_pool.h"
#include "routing/faults.h"
#include "routing/router.h"
#include "routing/steady_timers.h"

namespace fovea::recognize {

struct RoutedServiceOptions {
  /// A model each, which share tasks and cache; the first one answers where nothing names another. Their
  /// catalogue and reviews do not count: what follows a reading happens once, to the answer that is given.
  std::vector<ServiceOptions> models;
  std::shared_ptr<catalog::Catalog> catalogue = {};
  std::shared_ptr<reviews::ReviewQueue> reviews = {};
  config::RouterConfig router = {};
  std::vector<config::FaultConfig> faults = {};
  routing::Router::BreakerListener breaker_changed = {};
};

/// Several models behind a router: every request's plan says which of them are asked. Thread-safe.
class RoutedService : public Backend {
 public:
  /// Errors: as Service::open and routing::Policy::make.
  static Result<std::unique_ptr<RoutedService>> open(RoutedServiceOptions options);
  ~RoutedService() override;

  void recognize(Request request, RecognitionDone done) override;
  void chat(ChatRequest request, ChatListener listener) override;
  [[nodiscard]] std::vector<ModelInfo> models() const override;
  [[nodiscard]] std::vector<std::string> task_names() const override { return tasks_->names(); }
  [[nodiscard]] Readiness readiness() const override;
  [[nodiscard]] nlohmann::ordered_json stats() const override;
  void drain() override;
  [[nodiscard]] nlohmann::ordered_json breakers() const override;
  Result<void> operate(const std::string& model, ModelSwitch what, const std::string& why) override;
  /// How a task is routed; null for one that is not known. Lives as long as this.
  [[nodiscard]] const routing::TaskPolicy* task_policy(const std::string& task) const;

 private:
  struct Asked;
  class Models;

  explicit RoutedService(RoutedServiceOptions options);
  [[nodiscard]] routing::RequestTraits traits_of(const Asked& asked);
  [[nodiscard]] std::optional<Error> refusal(const Request& request) const;
  [[nodiscard]] Result<std::map<std::string, double>> stored_thresholds() const;
  [[nodiscard]] std::size_t pending() const;
  [[nodiscard]] const Service* find(std::string_view model) const;
  bool note_seen(std::span<const std::byte> bytes);
  void finish(const std::shared_ptr<Asked>& asked, routing::Outcome outcome);
  void give(Asked& asked);

  RoutedServiceOptions options_;
  std::shared_ptr<const tasks::TaskSet> tasks_;
  std::vector<std::unique_ptr<Service>> services_;
  std::atomic<bool> draining_ = false;

  std::mutex seen_mutex_;                   // guards the next two
  std::unordered_set<std::uint64_t> seen_;  // of the files that were asked about lately
  std::deque<std::uint64_t> seen_in_order_;

  cache::Timer timer_;
  routing::SteadyTimers timers_{timer_};
  std::unique_ptr<Models> models_;
  std::unique_ptr<routing::FaultyModels> faults_;  // null: none
  std::unique_ptr<routing::Router> router_;
  std::unique_ptr<TaskPool> pool_;  // for what follows a reading
};

}  // namespace fovea::recognize
