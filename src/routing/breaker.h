#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "routing/call.h"

namespace fovea::routing {

struct BreakerOptions {
  std::chrono::milliseconds window{30'000};  ///< calls that are judged lie no further back
  std::size_t minimum_calls = 10;            ///< fewer in the window are not judged
  double error_rate = 0.5;                   ///< opens at this share of calls that failed
  double slow_call_rate = 0.8;               ///< opens at this share of calls that were slow
  std::chrono::milliseconds slow_call{0};    ///< a call that takes longer is slow; 0: none is
  std::chrono::milliseconds open{15'000};    ///< how long it stays open
  std::size_t half_open_probes = 3;          ///< calls that are then let through
};

enum class BreakerState {
  kClosed,    ///< calls go through
  kOpen,      ///< none does
  kHalfOpen,  ///< a few do, to see
};

/// "closed", "open", "half_open".
const char* state_name(BreakerState state);

/// Leaves a model alone that fails or is slow, and tries it again with a few calls after a while (after
/// Nygard, "Release It!", 2007).
///
/// Closed: opens when, of at least `minimum_calls` in the window, the share of errors or of slow calls
/// reaches its rate. Open: half-opens after `open`. Half-open: at most `half_open_probes` calls; one error
/// opens it again, as do slow ones from their rate on; otherwise it closes, with an empty window. Results of
/// calls that were let through before the last change count no more. Thread-safe.
class CircuitBreaker {
 public:
  struct Change {
    BreakerState from = {}, to = {};
    std::string why = {};
  };
  using Listener = std::function<void(const Change&)>;

  /// `changed` is called after each change, without a lock, on the thread whose call caused it.
  explicit CircuitBreaker(const BreakerOptions& options, TimePoint now, Listener changed = {});

  /// Leave for one call. Exactly one of its members is called, or none: the same as withdraw().
  class Permit {
   public:
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;
    ~Permit() { withdraw(); }

    void succeed(TimePoint now, std::chrono::milliseconds took);
    void fail(TimePoint now, std::chrono::milliseconds took, const std::string& why);
    void withdraw();  ///< the call says nothing about the model

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker* breaker, std::uint64_t generation) : breaker_(breaker), generation_(generation) {}
    CircuitBreaker* breaker_;
    std::uint64_t generation_;
  };

  /// Nothing where calls are not let through now.
  std::optional<Permit> acquire(TimePoint now);

  /// Leave whatever the state: its result counts only where acquire() would have let it through.
  Permit force(TimePoint now);

  struct Snapshot {
    BreakerState state = BreakerState::kClosed;
    std::size_t calls = 0, errors = 0, slow = 0;  ///< in the window
    TimePoint since = {};                         ///< when the state began
    std::chrono::milliseconds opens_for{0};       ///< open: until it half-opens
    std::uint64_t opened = 0;                     ///< times it has opened
    std::string last_error = {};                  ///< the latest failure, if any
    [[nodiscard]] double error_rate() const;
    [[nodiscard]] double slow_rate() const;
  };
  /// Open for long enough counts as half-open: calls would be let through.
  [[nodiscard]] Snapshot snapshot(TimePoint now) const;

  /// Closes it with an empty window, as an operator may.
  void reset(TimePoint now);

 private:
  struct Bucket {
    std::int64_t number = -1;  // of the slice of time it counts
    std::size_t calls = 0, errors = 0, slow = 0;
  };
  static constexpr std::size_t kBuckets = 10;

  // All with mutex_ held.
  [[nodiscard]] std::int64_t slice(TimePoint now) const;
  [[nodiscard]] Bucket total(TimePoint now) const;
  void change(BreakerState to, TimePoint now, std::string why, std::optional<Change>& told);
  void judge_closed(TimePoint now, std::optional<Change>& told);
  void judge_probes(TimePoint now, bool error, std::optional<Change>& told);

  void result(std::uint64_t generation, TimePoint now, bool error, bool slow, const std::string& why);
  void withdrawn(std::uint64_t generation);
  void tell(const std::optional<Change>& told) const {
    if (told && changed_) changed_(*told);
  }

  const BreakerOptions options_;
  const Listener changed_;
  const TimePoint epoch_;
  mutable std::mutex mutex_;  // guards all below
  BreakerState state_ = BreakerState::kClosed;
  TimePoint since_;
  std::uint64_t generation_ = 1;  // of the state; results of earlier ones are void
  std::array<Bucket, kBuckets> buckets_;
  std::size_t probes_out_ = 0, probes_done_ = 0, probes_slow_ = 0;
  std::uint64_t opened_ = 0;
  std::string last_error_;
};

}  // namespace fovea::routing
