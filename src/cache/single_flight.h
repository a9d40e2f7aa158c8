#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/key.h"
#include "cache/timer.h"

namespace fovea::cache {

/// Identical requests in flight cost one computation: the first to ask for a key leads and computes, those
/// that come meanwhile follow and get the outcome too.
///
/// - A computation that succeeds, or fails for a reason that lies in the request (the picture cannot be
/// decoded,
///   say) or because the server is full: everyone who waits gets that outcome. Whether to try again is then
///   the client's to decide, as it would have been without the others.
/// - A request that cancels, or whose deadline passes, goes alone. The computation it began goes on for the
/// others;
///   when nobody is left, it is told that it is unwanted.
/// - A computation that ends with kCancelled or kDeadline, or whose Lead is dropped: the request that began
/// it
///   gets that error, and the one that has waited longest begins again.
/// - A computation that takes longer than max_lead_time: the request that has waited longest begins one as
/// well, and
///   the first success counts.
/// Every request has a deadline of its own and hears exactly once, so nobody waits for ever whatever others
/// do.
///
/// Thread-safe. Callbacks are called without locks held, on the thread that caused them: one that joins,
/// completes or cancels, or the timer's. The timer must outlive all of this, or be stopped before it goes.
template <class Value>
class SingleFlight {
  struct Request;
  struct Flight;
  struct State;

 public:
  using Outcome = Result<std::shared_ptr<const Value>>;
  using Done = std::move_only_function<void(Outcome)>;

  /// The duty to compute. Movable; one that goes without complete() hands over.
  class Lead {
   public:
    Lead(Lead&&) noexcept = default;
    Lead& operator=(Lead&&) = delete;
    ~Lead() { complete(fail(ErrorCode::kCancelled, "the computation was given up")); }

    /// Once; does nothing the second time, or when nobody waits any more.
    void complete(Outcome outcome) {
      if (const auto state = std::exchange(state_, nullptr)) {
        SingleFlight::complete(state, flight_, request_, std::move(outcome));
      }
    }

    /// Whether anyone still waits for the outcome.
    [[nodiscard]] bool is_wanted() const {
      if (state_ == nullptr) return false;
      const std::lock_guard lock(state_->mutex);
      return !flight_->ended;
    }

    /// Calls `stop` when the last who waited has gone; at once where that has happened. Not after an outcome.
    void when_unwanted(std::move_only_function<void()> stop) {
      if (state_ == nullptr) return;
      {
        const std::lock_guard lock(state_->mutex);
        if (!flight_->ended) {
          flight_->unwanted.push_back(std::move(stop));
          return;
        }
      }
      stop();
    }

   private:
    friend class SingleFlight;
    Lead(std::shared_ptr<State> state, std::shared_ptr<Flight> flight, std::shared_ptr<Request> request)
        : state_(std::move(state)), flight_(std::move(flight)), request_(std::move(request)) {}
    std::shared_ptr<State> state_;  // null: completed, or moved from
    std::shared_ptr<Flight> flight_;
    std::shared_ptr<Request> request_;  // the one that began
  };
  /// Begins the computation; must not block for long.
  using Start = std::move_only_function<void(Lead)>;

  /// What a caller holds of its request. Letting it go changes nothing.
  class Ticket {
   public:
    Ticket() = default;
    /// The caller does not want it any more: `done` gets kCancelled, unless it was called.
    void cancel() const {
      const auto state = state_.lock();
      const auto request = request_.lock();
      if (state == nullptr || request == nullptr) return;
      leave(state, request, Error{ErrorCode::kCancelled, "the request was cancelled"});
    }

   private:
    friend class SingleFlight;
    Ticket(std::weak_ptr<State> state, std::weak_ptr<Request> request)
        : state_(std::move(state)), request_(std::move(request)) {}
    std::weak_ptr<State> state_;
    std::weak_ptr<Request> request_;
  };

  struct Stats {
    std::uint64_t led = 0;       ///< computations begun
    std::uint64_t followed = 0;  ///< requests that joined one
    std::size_t in_flight = 0;   ///< keys now
  };

  explicit SingleFlight(Timer& timer, Clock::duration max_lead_time = std::chrono::minutes(5))
      : state_(std::make_shared<State>(timer, max_lead_time)) {}

  /// Joins the flight of `key`, or begins one: then `start` is called before join() returns. `start` is
  /// called once at most, perhaps later. `done` is called once: with the outcome, or with kDeadline at the
  /// deadline.
  Ticket join(const Key& key, Clock::time_point deadline, Start start, Done done) {
    const auto request = std::make_shared<Request>();
    request->start = std::move(start);
    request->done = std::move(done);
    bool leads = false;
    {
      const std::lock_guard lock(state_->mutex);
      std::shared_ptr<Flight>& flight = state_->flights[key];
      if (flight == nullptr) flight = std::make_shared<Flight>(key);
      leads = !flight->begun || Clock::now() - *flight->begun >= state_->max_lead_time;
      if (leads) flight->begun = Clock::now();
      if (!leads) ++state_->stats.followed;
      request->flight = flight;
      flight->waiting.push_back(request);
      if (deadline != Clock::time_point::max()) {
        request->timer = state_->timer.schedule(
            deadline, [weak_state = std::weak_ptr(state_), weak_request = std::weak_ptr(request)] {
              const auto state = weak_state.lock();
              const auto late = weak_request.lock();
              if (state == nullptr || late == nullptr) return;
              leave(state, late, Error{ErrorCode::kDeadline, "the deadline has passed"});
            });
      }
    }
    if (leads) begin(state_, request->flight);
    return Ticket(state_, request);
  }

  [[nodiscard]] Stats stats() const {
    const std::lock_guard lock(state_->mutex);
    Stats stats = state_->stats;
    stats.in_flight = state_->flights.size();
    return stats;
  }

 private:
  struct Request {
    std::shared_ptr<Flight> flight;
    Start start;      // guarded by State::mutex; null: called
    Done done;        // belongs to who took the request out of Flight::waiting
    Timer::Id timer;  // of its deadline, where it has one
  };
  using Requests = std::deque<std::shared_ptr<Request>>;

  struct Flight {
    explicit Flight(const Key& of) : key(of) {}
    const Key key;
    Requests waiting;                        // guarded by State::mutex; the one that has waited longest first
    std::size_t running = 0;                 // guarded by State::mutex: computations
    std::optional<Clock::time_point> begun;  // guarded by State::mutex: the latest of them
    bool ended = false;                      // guarded by State::mutex: nobody waits any more
    std::vector<Timer::Id> timers;           // guarded by State::mutex: one for each computation
    std::vector<std::move_only_function<void()>> unwanted;  // guarded by State::mutex
  };

  struct State {
    State(Timer& with, Clock::duration lead_time) : timer(with), max_lead_time(lead_time) {}
    Timer& timer;
    const Clock::duration max_lead_time;
    std::mutex mutex;
    std::unordered_map<Key, std::shared_ptr<Flight>> flights;  // guarded by mutex
    Stats stats;                                               // guarded by mutex
  };

  /// Lets the request that has waited longest, of those that have not, begin a computation.
  static void begin(const std::shared_ptr<State>& state, const std::shared_ptr<Flight>& flight) {
    std::shared_ptr<Request> leader;
    Start start;
    {
      const std::lock_guard lock(state->mutex);
      const auto able =
          std::ranges::find_if(flight->waiting, [](const auto& r) { return r->start != nullptr; });
      if (able == flight->waiting.end()) return;
      leader = *able;
      start = std::exchange(leader->start, nullptr);
      ++flight->running;
      flight->begun = Clock::now();
      ++state->stats.led;
      flight->timers.push_back(
          state->timer.schedule(Clock::now() + state->max_lead_time,
                                [weak_state = std::weak_ptr(state), weak_flight = std::weak_ptr(flight)] {
                                  const auto alive = weak_state.lock();
                                  const auto slow = weak_flight.lock();
                                  if (alive != nullptr && slow != nullptr) begin(alive, slow);
                                }));
    }
    start(Lead(state, flight, std::move(leader)));
  }

  /// With the mutex held: everyone who waits, which ends the flight.
  static Requests end(State& state, Flight& flight) {
    flight.ended = true;
    flight.unwanted.clear();
    for (const Timer::Id& id : flight.timers) state.timer.cancel(id);
    if (const auto place = state.flights.find(flight.key); place != state.flights.end()) {
      if (place->second.get() == &flight) state.flights.erase(place);
    }
    return std::exchange(flight.waiting, {});
  }

  static void complete(const std::shared_ptr<State>& state, const std::shared_ptr<Flight>& flight,
                       const std::shared_ptr<Request>& leader, Outcome outcome) {
    Requests hearing;
    std::vector<std::move_only_function<void()>> unwanted;
    bool again = false;
    {
      const std::lock_guard lock(state->mutex);
      --flight->running;
      if (flight->ended) return;
      const bool given_up = !outcome && (outcome.error().code == ErrorCode::kCancelled ||
                                         outcome.error().code == ErrorCode::kDeadline);
      if (given_up && std::erase(flight->waiting, leader) > 0) hearing.push_back(leader);
      again =
          given_up && std::ranges::any_of(flight->waiting, [](const auto& r) { return r->start != nullptr; });
      if (flight->waiting.empty()) unwanted.swap(flight->unwanted);  // others compute, for nobody now
      // Where others compute the same, one that failed waits for them.
      if (flight->waiting.empty() || (!again && (outcome || flight->running == 0))) {
        Requests all = end(*state, *flight);
        hearing.insert(hearing.end(), all.begin(), all.end());
      }
    }
    for (const auto& request : hearing) tell(*state, *request, outcome);
    for (auto& stop : unwanted) stop();
    if (again) begin(state, flight);
  }

  /// One request goes, for a reason of its own.
  static void leave(const std::shared_ptr<State>& state, const std::shared_ptr<Request>& request,
                    Error reason) {
    std::vector<std::move_only_function<void()>> unwanted;
    const std::shared_ptr<Flight> flight = request->flight;
    {
      const std::lock_guard lock(state->mutex);
      if (std::erase(flight->waiting, request) == 0) return;  // it has heard
      if (flight->waiting.empty()) {
        unwanted.swap(flight->unwanted);
        end(*state, *flight);
      }
    }
    tell(*state, *request, std::unexpected(std::move(reason)));
    for (auto& stop : unwanted) stop();
  }

  /// Calls `done` of a request that was taken out of its flight.
  static void tell(State& state, Request& request, Outcome outcome) {
    state.timer.cancel(request.timer);
    request.start = nullptr;  // what it owns, such as the picture, goes now
    std::exchange(request.done, nullptr)(std::move(outcome));
  }

  const std::shared_ptr<State> state_;
};

}  // namespace fovea::cache
