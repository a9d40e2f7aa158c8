#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace fovea::server {

/// A shared allowance of bytes: together, the bodies of all requests must not take more memory than this.
/// Thread-safe. Must outlive its leases.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t capacity) : capacity_(capacity) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  /// The part that one request holds; given back when destroyed. Movable, used by one thread at a time.
  class Lease {
   public:
    Lease() = default;
    explicit Lease(ByteBudget& budget) : budget_(&budget) {}
    Lease(Lease&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), held_(std::exchange(other.held_, 0)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(held_, other.held_);
      return *this;
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (budget_ != nullptr) budget_->used_ -= held_;
    }

    /// Takes `bytes` more; false, with nothing taken, when the budget has not that much left.
    bool grow(std::size_t bytes) {
      if (budget_->used_.fetch_add(bytes) + bytes > budget_->capacity_) {
        budget_->used_ -= bytes;
        return false;
      }
      held_ += bytes;
      return true;
    }

   private:
    ByteBudget* budget_ = nullptr;
    std::size_t held_ = 0;
  };

  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  const std::size_t capacity_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace fovea::server
