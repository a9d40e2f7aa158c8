#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fovea::config {

/// Where something stands in its file, "FILE:LINE:COLUMN", for what is found wrong later. Settings that were
/// only moved are equal.
struct Place {
  std::string text = {};
  bool operator==(const Place& /*other*/) const { return true; }
};

/// `[router.breaker]`: when a model that fails is left alone, and how it is tried again.
struct BreakerConfig {
  double window_s = 30;              ///< calls that are judged lie no further back
  std::size_t minimum_calls = 10;    ///< fewer in the window are not judged
  double error_rate = 0.5;           ///< opens at this share of calls that failed
  double slow_call_rate = 0.8;       ///< opens at this share of calls that were slow
  double open_s = 15;                ///< how long it stays open
  std::size_t half_open_probes = 3;  ///< calls that are then let through, and have to do well
  bool operator==(const BreakerConfig&) const = default;
};

/// `[router.models.NAME]`.
struct RouterModelConfig {
  std::string name = {};
  bool enabled = true;            ///< false: the kill switch is on from the start
  std::int64_t timeout_ms = 0;    ///< 0: the router's
  std::int64_t slow_call_ms = 0;  ///< a call that takes longer is slow; 0: none is
  BreakerConfig breaker = {};     ///< the router's, but for what is set for the model
  Place place = {};
  bool operator==(const RouterModelConfig&) const = default;
};

/// `[router.tasks.NAME]`. What is left out comes from the task itself.
struct RouterTaskConfig {
  std::string name = {};
  std::string strategy =
      {};  ///< single, cascade, verify, ensemble, shadow, ab; empty: chosen by what there is
  std::string fast = {}, accurate = {};
  std::vector<std::string> candidates = {};  ///< of an ensemble
  std::vector<std::string> fallback = {};    ///< asked, in this order, where the chosen ones fail
  std::optional<double> threshold = {};  ///< confidence of the whole answer below which a cascade escalates
  std::map<std::string, double> field_thresholds = {};  ///< the same for single fields
  std::map<std::string, double> weights = {};           ///< of models in an ensemble; 1 where left out
  std::string shadow_model = {};
  double shadow_share = 0;
  std::string ab_model = {};  ///< arm B, in place of the accurate model
  double ab_share = 0;
  std::optional<bool> accuracy_critical = {}, complex = {};
  bool seen_before_fast = false;     ///< pictures that were seen before go to the fast model
  std::size_t fast_when_queued = 0;  ///< from so many waiting requests on the fast model answers; 0: never
  std::size_t small_below_px = 0;    ///< pictures whose shorter side is less go to the fast model
  double blurred_below = 0;          ///< pictures less sharp than this go to the accurate model
  Place place = {};
  bool operator==(const RouterTaskConfig&) const = default;
};

/// `[router]`: which model answers, and what is done when one fails. docs/routing.md explains it.
struct RouterConfig {
  std::int64_t timeout_ms = 60'000;      ///< of one call of one model
  std::int64_t deadline_margin_ms = 5;   ///< answers are given up this much before a request's deadline
  std::size_t retries = 1;               ///< of one model within one request
  double retry_budget = 0.1;             ///< retries of all requests, as a share of requests
  std::size_t retry_burst = 10;          ///< retries that may come at once
  bool last_resort = true;               ///< with every breaker open, models are asked all the same
  std::size_t shadow_max_in_flight = 1;  ///< shadow calls at a time
  std::size_t shadow_max_queued = 2;     ///< no shadow call while more requests wait
  BreakerConfig breaker = {};
  std::vector<RouterModelConfig> models = {};
  std::vector<RouterTaskConfig> tasks = {};
  bool operator==(const RouterConfig&) const = default;
};

/// `[[faults]]`: a fault that is injected on purpose, to see what happens. For test machines.
struct FaultConfig {
  std::string model = {};         ///< empty: every model
  std::string kind = {};          ///< error, slow, hang, wrong-shape
  double probability = 1;         ///< of each call
  std::uint64_t seed = 0;         ///< of the calls that are struck
  double after_s = 0;             ///< from so long after the start
  double for_s = 0;               ///< for so long; 0: for ever
  std::int64_t delay_ms = 1'000;  ///< kind slow: what is added
  Place place = {};
  bool operator==(const FaultConfig&) const = default;
};

}  // namespace fovea::config
