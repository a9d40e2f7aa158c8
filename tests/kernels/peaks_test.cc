#include "kernels/peaks.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace fovea::kernels {
namespace {

TEST(PeaksTest, EverySetThatThisProcessorRunsIsMeasured) {
  WorkerTeam team(2);
  for (const Kernels* kernels : supported_kernels()) {
    const auto peaks = measure_peaks(*kernels, team, {.read_bytes = std::size_t{16} << 20, .rounds = 1});
    ASSERT_TRUE(peaks) << kernels->isa << ": " << peaks.error().message;
    EXPECT_GT(peaks->f32_gflops, 0) << kernels->isa;
    EXPECT_GT(peaks->bf16_gflops, 0) << kernels->isa;
    EXPECT_GT(peaks->int8_gops, 0) << kernels->isa;
    EXPECT_GT(peaks->read_gbps, 0) << kernels->isa;
  }
}

TEST(PeaksTest, ReadingLeavesNoByteOut) {
  constexpr std::size_t kBytes = 1000;  // not a multiple of what is read at once
  for (const Kernels* kernels : supported_kernels()) {
    const PeakLoops* loops = find_peak_loops(kernels->isa);
    ASSERT_NE(loops, nullptr) << kernels->isa;
    std::vector<std::byte> memory(kBytes);
    EXPECT_EQ(loops->read(memory.data(), kBytes), 0U);
    for (std::size_t i = 0; i < kBytes; ++i) {
      memory[i] = std::byte{1};
      EXPECT_NE(loops->read(memory.data(), kBytes), 0U) << kernels->isa << " byte " << i;
      memory[i] = std::byte{0};
    }
  }
}

TEST(PeaksTest, AnUnknownSetHasNoLoops) {
  EXPECT_EQ(find_peak_loops("mmx"), nullptr);
}

TEST(PeaksTest, TheLargestChangeCountsInEitherDirection) {
  const Peaks before{.f32_gflops = 100, .bf16_gflops = 200, .int8_gops = 400, .read_gbps = 10};
  Peaks after = before;
  EXPECT_DOUBLE_EQ(before.largest_change(after), 0);
  after.read_gbps = 9;
  after.f32_gflops = 105;
  EXPECT_NEAR(before.largest_change(after), 0.1, 1e-9);
}

}  // namespace
}  // namespace fovea::kernels
