#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace fovea::server {

/// Token buckets by name: each name may make `burst` requests at once and `rate` a second on average.
/// Thread-safe. Memory is bounded: buckets that are full again are forgotten, and when there are still too
/// many, all are, which errs on the callers' side.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RateLimiter(std::function<Clock::time_point()> now = &Clock::now, std::size_t max_names = 10'000)
      : now_(std::move(now)), max_names_(max_names) {}

  /// Takes one request out of the name's bucket. Seconds, at least 1, to wait when it is empty. `burst` 0: as
  /// many as `rate` gives in a second, at least one. `rate` 0: no limit.
  std::optional<int> take(const std::string& name, double rate, std::size_t burst);

  [[nodiscard]] std::size_t names() const;

 private:
  struct Bucket {
    double requests = 0;
    double rate = 0;
    double burst = 0;
    Clock::time_point filled;
  };

  void forget_full(Clock::time_point now);

  const std::function<Clock::time_point()> now_;
  const std::size_t max_names_;
  mutable std::mutex mutex_;  // guards buckets_
  std::unordered_map<std::string, Bucket> buckets_;
};

/// How many connections each address has. Thread-safe. Must outlive its leases.
class AddressCounts {
 public:
  /// One connection; counted out when destroyed. Movable, used by one thread at a time.
  class Lease {
   public:
    Lease() = default;
    Lease(AddressCounts& counts, std::string address) : counts_(&counts), address_(std::move(address)) {}
    Lease(Lease&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)), address_(std::move(other.address_)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(counts_, other.counts_);
      std::swap(address_, other.address_);
      return *this;
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (counts_ != nullptr) counts_->remove(address_);
    }

   private:
    AddressCounts* counts_ = nullptr;
    std::string address_;
  };

  /// Counts one more; nothing when the address has `limit` already (0: no limit).
  std::optional<Lease> add(const std::string& address, std::size_t limit);

 private:
  void remove(const std::string& address);

  std::mutex mutex_;  // guards counts_
  std::unordered_map<std::string, std::size_t> counts_;
};

}  // namespace fovea::server
