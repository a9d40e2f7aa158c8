#include "config/router_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace fovea::config {
namespace {

constexpr std::int64_t kMostMilliseconds = 24 * 60 * 60 * std::int64_t{1000};
constexpr std::int64_t kMostCount = 1'000'000;
constexpr double kMostSeconds = 24 * 60 * 60;
constexpr double kMostWeight = 1000;

void read_breaker(Reader& reader, BreakerConfig& breaker) {
  reader.number("window_s", breaker.window_s, 0.1, 3600);
  reader.integer("minimum_calls", breaker.minimum_calls, 1, kMostCount);
  reader.number("error_rate", breaker.error_rate, 0.01, 1);
  reader.number("slow_call_rate", breaker.slow_call_rate, 0.01, 1);
  reader.number("open_s", breaker.open_s, 0.1, 3600);
  reader.integer("half_open_probes", breaker.half_open_probes, 1, 1000);
}

void read_model(Reader& reader, RouterModelConfig& model) {
  reader.flag("enabled", model.enabled);
  reader.integer("timeout_ms", model.timeout_ms, 1, kMostMilliseconds);
  reader.integer("slow_call_ms", model.slow_call_ms, 0, kMostMilliseconds);
  reader.section("breaker", [&](Reader& below) { read_breaker(below, model.breaker); });
}

/// A table of names and numbers.
void read_numbers(Reader& reader, std::string_view key, double low, double high,
                  std::map<std::string, double>& values) {
  reader.each(key, "a table of names and numbers", [&](const std::string& name, const toml::node& node) {
    const auto given = node.is_number() ? node.value<double>() : std::nullopt;
    if (!given || !(*given >= low && *given <= high)) {
      reader.wrong(node, fmt::format("{}.{}", key, name), fmt::format("a number from {} to {}", low, high));
      return;
    }
    values[name] = *given;
  });
}

/// What a strategy needs that only its own settings can give.
void check_task(Reader& reader, const toml::node& node, const RouterTaskConfig& task) {
  const auto refuse = [&](const std::string& why) {
    reader.error_at(node, fmt::format("[router.tasks.{}]: {}", task.name, why));
  };
  if (task.strategy == "ensemble" && task.candidates.size() < 2) {
    return refuse("the strategy ensemble needs two candidates or more");
  }
  if (task.strategy == "shadow" && task.shadow_model.empty()) {
    return refuse("the strategy shadow needs a shadow_model");
  }
  if (task.strategy == "ab" && task.ab_model.empty()) return refuse("the strategy ab needs an ab_model");
  if (task.strategy == "ensemble" && !task.ab_model.empty()) {
    return refuse("ab_model stands in for the accurate model, which an ensemble has not");
  }
  if (task.shadow_model.empty() != (task.shadow_share == 0)) {
    return refuse("shadow_model and shadow_share go together");
  }
  if (task.ab_model.empty() != (task.ab_share == 0)) return refuse("ab_model and ab_share go together");
  if (auto sorted = task.candidates; !sorted.empty()) {
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end()) return refuse("candidates names a model twice");
  }
}

void read_task(Reader& reader, const toml::node& node, RouterTaskConfig& task) {
  reader.word("strategy", task.strategy, {"single", "cascade", "verify", "ensemble", "shadow", "ab"});
  reader.text("fast", task.fast);
  reader.text("accurate", task.accurate);
  reader.texts("candidates", task.candidates);
  reader.texts("fallback", task.fallback);
  if (reader.has("threshold")) reader.number("threshold", task.threshold.emplace(), 0, 1);
  read_numbers(reader, "field_thresholds", 0, 1, task.field_thresholds);
  read_numbers(reader, "weights", 0, kMostWeight, task.weights);
  reader.text("shadow_model", task.shadow_model);
  reader.number("shadow_share", task.shadow_share, 0, 1);
  reader.text("ab_model", task.ab_model);
  reader.number("ab_share", task.ab_share, 0, 1);
  if (reader.has("accuracy_critical")) reader.flag("accuracy_critical", task.accuracy_critical.emplace());
  if (reader.has("complex")) reader.flag("complex", task.complex.emplace());
  reader.flag("seen_before_fast", task.seen_before_fast);
  reader.integer("fast_when_queued", task.fast_when_queued, 0, kMostCount);
  reader.integer("small_below_px", task.small_below_px, 0, kMostCount);
  reader.number("blurred_below", task.blurred_below, 0, std::numeric_limits<float>::max());
  check_task(reader, node, task);
}

/// A table of tables; `read(Reader&, node, item)` reads one whose name and place are set.
template <class Item, class Read>
void read_named(Reader& reader, std::string_view key, const Item& initial, std::vector<Item>& items,
                Read read) {
  reader.each(key, fmt::format("tables, each headed [router.{}.NAME]", key),
              [&](const std::string& name, const toml::node& node) {
                const toml::table* table = node.as_table();
                if (table == nullptr) return reader.wrong(node, fmt::format("{}.{}", key, name), "a table");
                Item item = initial;
                item.name = name;
                item.place.text = reader.place_of(node);
                Reader below = reader.reader_of(*table, fmt::format("router.{}.{}", key, name));
                read(below, node, item);
                reader.keep(below.finish());
                items.push_back(std::move(item));
              });
}

}  // namespace

void read_router(Reader& reader, RouterConfig& router) {
  reader.integer("timeout_ms", router.timeout_ms, 1, kMostMilliseconds);
  reader.integer("deadline_margin_ms", router.deadline_margin_ms, 0, 10'000);
  reader.integer("retries", router.retries, 0, 10);
  reader.number("retry_budget", router.retry_budget, 0, 1);
  reader.integer("retry_burst", router.retry_burst, 0, kMostCount);
  reader.flag("last_resort", router.last_resort);
  reader.integer("shadow_max_in_flight", router.shadow_max_in_flight, 0, 1000);
  reader.integer("shadow_max_queued", router.shadow_max_queued, 0, kMostCount);
  reader.section("breaker", [&](Reader& below) { read_breaker(below, router.breaker); });
  RouterModelConfig model;
  model.breaker = router.breaker;
  read_named(
      reader, "models", model, router.models,
      [](Reader& below, const toml::node& /*node*/, RouterModelConfig& item) { read_model(below, item); });
  read_named(
      reader, "tasks", RouterTaskConfig{}, router.tasks,
      [](Reader& below, const toml::node& node, RouterTaskConfig& item) { read_task(below, node, item); });
}

void read_faults(Reader& reader, std::vector<FaultConfig>& faults) {
  const toml::node* node = reader.take("faults");
  if (node == nullptr) return;
  constexpr std::string_view kExpected = "a list of tables, each headed [[faults]]";
  const toml::array* list = node->as_array();
  if (list == nullptr) return reader.wrong(*node, "faults", kExpected);
  for (const toml::node& item : *list) {
    const toml::table* table = item.as_table();
    if (table == nullptr) return reader.wrong(item, "faults", kExpected);
    FaultConfig fault;
    fault.place.text = reader.place_of(item);
    Reader below = reader.reader_of(*table, "faults");
    below.text("model", fault.model);
    below.word("kind", fault.kind, {"error", "slow", "hang", "wrong-shape"});
    below.number("probability", fault.probability, 0, 1);
    below.integer("seed", fault.seed, 0, std::numeric_limits<std::int64_t>::max());
    below.number("after_s", fault.after_s, 0, kMostSeconds);
    below.number("for_s", fault.for_s, 0, kMostSeconds);
    below.integer("delay_ms", fault.delay_ms, 1, kMostMilliseconds);
    reader.keep(below.finish());
    if (fault.kind.empty()) reader.error_at(item, "a fault in [[faults]] needs a kind");
    faults.push_back(std::move(fault));
  }
}

}  // namespace fovea::config
