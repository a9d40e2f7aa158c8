#include "base/worker_team.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/processors.h"
#include "support/temporary_folder.h"

namespace fovea {
namespace {

class WorkerTeamOfSize : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, WorkerTeamOfSize, testing::Range<std::size_t>(1, 9));

TEST_P(WorkerTeamOfSize, CallsTheBodyOnceForEveryIndex) {
  WorkerTeam team(GetParam());
  EXPECT_EQ(team.size(), GetParam());
  for (const std::size_t count : {0, 1, 2, 3, 7, 8, 9, 64, 1000, 10'007}) {
    std::vector<int> calls(count, 0);  // every index is its own int: no two threads share one
    team.parallel_for(count, [&](std::size_t i) { ++calls[i]; });
    EXPECT_EQ(std::ranges::count(calls, 1), static_cast<std::ptrdiff_t>(count));
  }
}

TEST_P(WorkerTeamOfSize, SeesAllWritesOfTheLoopBeforeInTheNext) {
  WorkerTeam team(GetParam());
  constexpr std::size_t kCount = 97;
  std::vector<std::uint64_t> values(kCount, 1);
  std::vector<std::uint64_t> next(kCount);
  std::vector<std::uint64_t> alone = values;
  for (int round = 0; round < 500; ++round) {
    // Each element takes from others, which other threads wrote in the round before.
    team.parallel_for(kCount, [&](std::size_t i) { next[i] = values[i] * 3 + values[(i + 41) % kCount]; });
    values.swap(next);
    std::vector<std::uint64_t> reference(kCount);
    for (std::size_t i = 0; i < kCount; ++i) reference[i] = alone[i] * 3 + alone[(i + 41) % kCount];
    alone = reference;
  }
  EXPECT_EQ(values, alone);
}

TEST_P(WorkerTeamOfSize, IsReusedThousandsOfTimesForSmallLoops) {
  WorkerTeam team(GetParam());
  std::atomic<std::size_t> sum{0};
  for (int round = 0; round < 3000; ++round) {
    team.parallel_for(3, [&](std::size_t i) { sum.fetch_add(i + 1, std::memory_order_relaxed); });
  }
  EXPECT_EQ(sum.load(), 3000U * 6U);
}

TEST_P(WorkerTeamOfSize, NoWorkerEntersALoopThatIsOver) {
  WorkerTeam team(GetParam());
  for (std::uint32_t round = 0; round < 3000; ++round) {
    // Gone with the round: who came late and still called the body would write into freed memory, which the
    // sanitizers see.
    const auto seen = std::make_unique<std::vector<std::uint32_t>>(1 + round % 5, 0);
    team.parallel_for(seen->size(), [&seen, round](std::size_t i) { (*seen)[i] = round; });
    EXPECT_EQ(std::ranges::count(*seen, round), static_cast<std::ptrdiff_t>(seen->size()));
  }
}

TEST_P(WorkerTeamOfSize, WakesWorkersThatFellAsleep) {
  WorkerTeam team(GetParam());
  for (int round = 0; round < 5; ++round) {
    // Long enough for idle workers to stop looking and sleep in the kernel; nothing depends on how long.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<std::size_t> calls{0};
    team.parallel_for(100, [&](std::size_t) { calls.fetch_add(1, std::memory_order_relaxed); });
    EXPECT_EQ(calls.load(), 100U);
  }
}

TEST_P(WorkerTeamOfSize, CanBeDestroyedWithoutAnyWorkAndRightAfterSome) {
  for (int round = 0; round < 20; ++round) {
    {
      const WorkerTeam idle(GetParam());
    }
    std::vector<int> calls(GetParam() * 2, 0);
    {
      WorkerTeam team(GetParam());
      team.parallel_for(calls.size(), [&](std::size_t i) { ++calls[i]; });
    }
    EXPECT_EQ(std::ranges::count(calls, 1), static_cast<std::ptrdiff_t>(calls.size()));
  }
}

TEST(WorkerTeam, HasOneThreadForEveryProcessorItMayRunOnByDefault) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_EQ(WorkerTeam().size(), static_cast<std::size_t>(CPU_COUNT(&set)));
}

TEST(WorkerTeam, RunsOnTheCallerAloneWhenItHasSizeOne) {
  WorkerTeam team(1);
  const auto caller = std::this_thread::get_id();
  team.parallel_for(10, [&](std::size_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
}

TEST(WorkerTeam, MayLiveBesideOthers) {
  std::vector<std::thread> owners;
  owners.reserve(3);
  std::atomic<std::size_t> calls{0};
  for (int owner = 0; owner < 3; ++owner) {
    owners.emplace_back([&] {
      WorkerTeam team(3);
      for (int round = 0; round < 500; ++round) {
        team.parallel_for(11, [&](std::size_t) { calls.fetch_add(1, std::memory_order_relaxed); });
      }
    });
  }
  for (std::thread& owner : owners) owner.join();
  EXPECT_EQ(calls.load(), 3U * 500U * 11U);
}

/// Runs `body` in a thread that may use these processors only.
void with_mask(const std::vector<int>& processors, const std::function<void()>& body) {
  std::thread([&] {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (const int processor : processors) CPU_SET(processor, &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
    body();
  }).join();
}

void expect_every_call(WorkerTeam& team) {
  std::vector<int> calls(100, 0);
  team.parallel_for(calls.size(), [&](std::size_t i) { ++calls[i]; });
  EXPECT_EQ(std::ranges::count(calls, 1), 100);
}

TEST(WorkerTeamPinning, KeepsWorkersOnCoresOfTheMaskAndLeavesTheCallerAlone) {
  const Processors all = allowed_processors();
  WorkerTeam team(all.cores.size(), Pinning::kAlways);
  EXPECT_TRUE(team.pinned());
  expect_every_call(team);
  EXPECT_EQ(allowed_processors().logical, all.logical);
}

TEST(WorkerTeamPinning, IsLeftOutWhereThereAreFewerCoresThanThreads) {
  const int one = allowed_processors().cores.front();
  with_mask({one}, [] {
    for (const Pinning pinning : {Pinning::kAlways, Pinning::kWholeMachine}) {
      WorkerTeam team(3, pinning);
      EXPECT_FALSE(team.pinned());
      EXPECT_EQ(team.size(), 3U);
      expect_every_call(team);
    }
  });
}

TEST(WorkerTeamPinning, OfTheWholeMachineLeavesSmallerTeamsToTheScheduler) {
  const std::size_t cores = allowed_processors().cores.size();
  EXPECT_TRUE(WorkerTeam(cores, Pinning::kWholeMachine).pinned());
  EXPECT_FALSE(WorkerTeam(cores + 1, Pinning::kWholeMachine).pinned());
  if (cores > 1) {
    EXPECT_FALSE(WorkerTeam(cores - 1, Pinning::kWholeMachine).pinned());
  }
  EXPECT_FALSE(WorkerTeam(cores).pinned());
}

TEST(WorkerTeamPinning, FollowsAMaskOfOneProcessor) {
  const int last = allowed_processors().cores.back();
  with_mask({last}, [&] {
    EXPECT_EQ(allowed_processors().cores, std::vector<int>{last});
    WorkerTeam team(0, Pinning::kWholeMachine);
    EXPECT_EQ(team.size(), 1U);
    expect_every_call(team);
  });
}

TEST(AllowedProcessors, CountASharedCoreOnce) {
  const std::vector<int> first_two = {0, 1};
  const Processors all = allowed_processors();
  if (all.logical < 2 || all.cores.front() != 0) GTEST_SKIP() << "fewer than two processors";
  const test::TemporaryFolder topology;
  for (const int processor : first_two) {
    const auto folder = topology.path() / ("cpu" + std::to_string(processor)) / "topology";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "thread_siblings_list") << "0-1\n";
  }
  const Processors found = allowed_processors(topology.path());
  EXPECT_EQ(found.logical, all.logical);
  EXPECT_EQ(found.cores.size(), all.logical - 1);
  EXPECT_EQ(found.cores.front(), 0);
}

}  // namespace
}  // namespace fovea
