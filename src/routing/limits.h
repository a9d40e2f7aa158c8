#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/call.h"

namespace fovea::routing {

/// Keeps retries a small share of requests, so that they cannot multiply the load on models that fail: a
/// bucket of tokens that each request fills by `share`, up to `burst`, and each retry takes one from. In any
/// time retries <= burst + share * requests. Thread-safe.
class RetryBudget {
 public:
  RetryBudget(double share, std::size_t burst)
      : share_(share), burst_(static_cast<double>(burst)), tokens_(burst_) {}

  void request();
  [[nodiscard]] bool take();  ///< whether one more retry may be made

  struct Snapshot {
    double tokens = 0;
    std::uint64_t requests = 0, retries = 0, denied = 0;
  };
  [[nodiscard]] Snapshot snapshot() const;

 private:
  const double share_, burst_;
  mutable std::mutex mutex_;  // guards all below
  double tokens_;
  std::uint64_t requests_ = 0, retries_ = 0, denied_ = 0;
};

/// Models that are not to be asked, whatever happens. Thread-safe.
class KillSwitch {
 public:
  struct Off {
    std::string why;
    TimePoint since;
  };

  void turn_off(const std::string& model, std::string why, TimePoint now);
  void turn_on(std::string_view model);
  [[nodiscard]] std::optional<Off> off(std::string_view model) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Off, std::less<>> off_;  // guarded by mutex_
};

/// What calls took lately: quantiles over the last calls that are not too old. Thread-safe.
class LatencyTracker {
 public:
  static constexpr std::size_t kMostCalls = 256;
  static constexpr std::chrono::minutes kOldest{10};

  void record(TimePoint now, double ms);

  struct Quantiles {
    std::size_t calls = 0;
    double p50_ms = 0, p95_ms = 0;
  };
  /// By nearest rank. Nothing where no call is young enough.
  [[nodiscard]] std::optional<Quantiles> quantiles(TimePoint now) const;

 private:
  struct Call {
    TimePoint when;
    double ms;
  };
  mutable std::mutex mutex_;  // guards all below
  std::vector<Call> calls_;   // a ring
  std::size_t next_ = 0;
};

}  // namespace fovea::routing
