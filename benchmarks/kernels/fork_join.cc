// What it costs to begin a parallel loop and to end it, and to leave the team waiting in between.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "measure.h"

namespace fovea::kernels {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// One loop in which every thread takes one task and waits for the others to have begun theirs.
double loop_of_all(WorkerTeam& team) {
  std::atomic<std::size_t> begun = 0;
  const Clock::time_point start = Clock::now();
  team.parallel_for(team.size(), [&](std::size_t) {
    ++begun;
    while (begun < team.size()) {
    }
  });
  return microseconds_since(start);
}

}  // namespace

void bench_fork_join(WorkerTeam& team) {
  constexpr int kLoops = 1'000;
  for (const double pause : {0.0, 50.0, 1'000.0}) {
    std::vector<double> times;
    for (int i = 0; i < kLoops; ++i) {
      const Clock::time_point start = Clock::now();
      while (microseconds_since(start) < pause) {
      }
      times.push_back(loop_of_all(team));
    }
    std::ranges::sort(times);
    fmt::print("{} threads, a loop every {:.0f} us: {:.2f} us (p90 {:.2f}, p99 {:.2f})\n", team.size(), pause,
               times[kLoops / 2], times[kLoops * 9 / 10], times[kLoops * 99 / 100]);
  }
}

}  // namespace fovea::kernels
