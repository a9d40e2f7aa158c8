#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/worker_team.h"
#include "kernels/kernels.h"

namespace fovea::kernels {

/// A loop over registers that does one kind of multiply-add and nothing else, in one thread.
struct PeakLoop {
  void (*run)(std::size_t rounds);
  double operations;  ///< of one round: a multiplication and an addition each count
};

/// What an instruction set can do at best: its widest instructions with their operands in registers. Where a
/// set has no instruction for a type, the shortest sequence that does its work.
struct PeakLoops {
  PeakLoop f32;   ///< float, added to float
  PeakLoop bf16;  ///< bfloat16 pairs, added to float
  PeakLoop int8;  ///< int8, added to int32
  /// Reads memory in order, with what this set loads at once; gives a sum of what it read.
  std::uint64_t (*read)(const std::byte* memory, std::size_t bytes);
};

/// The loops of the set of that name (Kernels::isa); null where it has none.
const PeakLoops* find_peak_loops(std::string_view isa);

/// What a machine does at best with one instruction set and so many threads.
struct Peaks {
  double f32_gflops = 0;
  double bf16_gflops = 0;
  double int8_gops = 0;
  double read_gbps = 0;  ///< 10^9 bytes a second, from memory

  /// The largest change of any of the four, as a fraction of this one.
  [[nodiscard]] double largest_change(const Peaks& later) const;
};

struct PeakOptions {
  std::size_t read_bytes = std::size_t{1} << 30;  ///< should be many times the last cache
  int rounds = 7;                                 ///< of each kind; the median counts
};

/// Measures for about half a second and takes `read_bytes` of memory meanwhile.
/// Errors: kUnavailable (no memory), kInternal (the set has no loops).
Result<Peaks> measure_peaks(const Kernels& kernels, WorkerTeam& team, const PeakOptions& options = {});

}  // namespace fovea::kernels
