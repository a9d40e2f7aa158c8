#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace fovea {

/// Whether each worker of a team keeps to a physical core of its own. A worker that shares a core with
/// another is about half as fast; one that is bound to a core that another process needs cannot step aside.
enum class Pinning {
  kNever,
  kWholeMachine,  ///< where the team has exactly the physical cores that the process may run on
  kAlways,        ///< where there are at least as many of them as the team is large
};

/// A fixed team of threads that runs one parallel loop at a time (fork, join). The caller takes part, and
/// waits for workers that have begun something, not for late ones. An idle worker looks for the next loop
/// for some tens of microseconds, about what waking it would cost, and then sleeps.
///
/// Only the team's own threads are ever bound to a core. The caller's is not the team's: threads that it
/// starts later would inherit the binding. It finds the core that the workers leave free.
///
/// Not thread-safe: one thread owns the team and calls parallel_for; the body must not call it again.
class WorkerTeam {
 public:
  /// `size` counts the caller: 1 or more; 0 means one for every processor this process may run on. Where the
  /// system refuses a thread, the team is as large as it could get: see size().
  explicit WorkerTeam(std::size_t size = 0, Pinning pinning = Pinning::kNever);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  [[nodiscard]] std::size_t size() const { return threads_.size() + 1; }
  /// The workers keep to their cores.
  [[nodiscard]] bool pinned() const { return pinned_; }

  /// Calls body(i) once for every i in [0, count), in any order, on any thread, and returns when all are
  /// done. The body decides what is computed for i from i alone, so the answer never depends on the team's
  /// size. It must not throw: an exception ends the process, whichever thread it comes from.
  void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  void worker();
  /// Binds worker i to the core i + 1 of the list; all or none.
  bool bind_to(const std::vector<int>& cores);
  void drain(const std::function<void(std::size_t)>& body, std::size_t count) noexcept;

  int spins_ = 0;  // how often a waiting thread looks before it sleeps; set before any thread starts
  bool pinned_ = false;
  std::vector<std::thread> threads_;
  const std::function<void(std::size_t)>* body_ = nullptr;  // written before generation_ is advanced
  std::size_t count_ = 0;                                   // likewise
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<std::uint32_t> running_{0};  // workers inside the loop, and whether it is open to more
  std::atomic<bool> stop_{false};
};

}  // namespace fovea
