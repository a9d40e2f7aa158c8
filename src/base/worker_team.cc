#include "base/worker_team.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <system_error>

#include "base/processors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fovea {
namespace {

// A fork-join through the kernel costs tens of microseconds; the gap between two loops of one layer is
// shorter than that, so a thread looks a little before it sleeps.
constexpr int kSpins = 2000;

// In running_: workers may join the loop. The other bits count those that are inside.
constexpr std::uint32_t kOpen = 1U << 31U;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `value` differs from `old`, looking `spins` times before it sleeps. The library's notify_all
/// skips the system call when it sees no sleeper; on machines that reorder a store with a later load, the
/// change must be sequentially consistent, or the notifier may see no sleeper while the sleeper sees no
/// change.
void wait_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, int spins) {
  for (int spin = 0; spin < spins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

/// Takes part in the loop, unless it is over.
bool join(std::atomic<std::uint32_t>& running) {
  std::uint32_t inside = running.load(std::memory_order_acquire);
  while ((inside & kOpen) != 0) {
    if (running.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

}  // namespace

WorkerTeam::WorkerTeam(std::size_t size, Pinning pinning) {
  const Processors processors = allowed_processors();
  if (size == 0) size = processors.logical;
  // In a team larger than the machine, whoever looks takes the processor from one who has work.
  spins_ = size <= processors.logical ? kSpins : 0;
  for (std::size_t i = 1; i < size; ++i) {
    try {
      threads_.emplace_back([this] { worker(); });
    } catch (const std::system_error&) {
      break;  // a container's limit on processes: work with the threads there are
    }
  }
  const std::size_t cores = processors.cores.size();
  const bool wanted = pinning == Pinning::kAlways
                          ? this->size() <= cores
                          : pinning == Pinning::kWholeMachine && this->size() == cores;
  pinned_ = wanted && bind_to(processors.cores);
}

bool WorkerTeam::bind_to(const std::vector<int>& cores) {
  const auto set_mask = [](std::thread& thread, const std::vector<int>& allowed) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (const int core : allowed) CPU_SET(core, &mask);
    return pthread_setaffinity_np(thread.native_handle(), sizeof mask, &mask) == 0;
  };
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    if (set_mask(threads_[i], {cores[i + 1]})) continue;
    // The mask shrank meanwhile. Whoever was bound may run on all cores again.
    for (std::size_t bound = 0; bound < i; ++bound) set_mask(threads_[bound], cores);
    return false;
  }
  return true;
}

WorkerTeam::~WorkerTeam() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_seq_cst);  // see wait_change
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerTeam::parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  if (count == 0) return;
  if (threads_.empty() || count == 1) {
    next_.store(0, std::memory_order_relaxed);
    drain(body, count);
    return;
  }
  body_ = &body;
  count_ = count;
  next_.store(0, std::memory_order_relaxed);
  running_.store(kOpen, std::memory_order_release);     // nobody is inside, and nobody joins what is closed
  generation_.fetch_add(1, std::memory_order_seq_cst);  // see wait_change
  generation_.notify_all();
  drain(body, count);
  // Whoever has not come by now is not waited for: on a busy machine it may be long in coming.
  running_.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (std::uint32_t left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    wait_change(running_, left, spins_);
  }
}

void WorkerTeam::drain(const std::function<void(std::size_t)>& body, std::size_t count) noexcept {
  for (std::size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < count;
       i = next_.fetch_add(1, std::memory_order_relaxed)) {
    body(i);
  }
}

void WorkerTeam::worker() {
  std::uint32_t seen = 0;
  while (true) {
    wait_change(generation_, seen, spins_);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    if (!join(running_)) continue;
    drain(*body_, count_);
    if (running_.fetch_sub(1, std::memory_order_seq_cst) == 1) running_.notify_all();  // see wait_change
  }
}

}  // namespace fovea
