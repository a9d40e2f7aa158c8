#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/peaks.h"

// The loops of peaks.h, written once; a set gives its operations. Nothing here is shared between sets: each
// template is instantiated with types of one set.
namespace fovea::kernels::generic {

#if defined(__x86_64__)
#define FOVEA_VECTOR_REGISTER "+v"
#else
#define FOVEA_VECTOR_REGISTER "+w"
#endif

/// Makes the compiler believe that a register has changed, so that no work with it can be shared, moved out
/// of a loop or left out. Costs no instruction.
template <class Register>
[[gnu::always_inline]] inline void touch(Register& value) {
  asm volatile("" : FOVEA_VECTOR_REGISTER(value));
}

/// Runs an operation over registers. Its members:
///   Sum, Operand     register types; zeros must be valid values
///   kSums            sums in flight: enough to hide the latency, few enough for the registers
///   kShared          sums, dividing kSums, that use an operand once it is widened
///   kOperations      of one add
///   Wide widen(a)    what must be done to an operand before it is used
///   add(sum, w, b)   one multiply-add
template <class Operation>
void run_peak(std::size_t rounds) {
  std::array<typename Operation::Sum, Operation::kSums> sums;
  typename Operation::Operand a, b;
  std::memset(&sums, 0, sizeof sums);
  std::memset(&a, 0, sizeof a);
  std::memset(&b, 0, sizeof b);
  for (auto& sum : sums) touch(sum);
  for (std::size_t round = 0; round < rounds; ++round) {
#pragma clang loop unroll(full)
    for (std::size_t group = 0; group < Operation::kSums; group += Operation::kShared) {
      touch(a);
      const auto wide = Operation::widen(a);
#pragma clang loop unroll(full)
      for (std::size_t i = group; i < group + Operation::kShared; ++i) {
        touch(b);
        sums[i] = Operation::add(sums[i], wide, b);
      }
    }
  }
  for (auto& sum : sums) touch(sum);
}

template <class Operation>
constexpr PeakLoop peak_loop() {
  return {.run = run_peak<Operation>,
          .operations = static_cast<double>(Operation::kSums * Operation::kOperations)};
}

/// `Set` only keeps the instantiations of different sets apart.
template <class Set>
std::uint64_t read_memory(const std::byte* memory, std::size_t bytes) {
  using Line [[gnu::vector_size(64)]] = std::uint64_t;
  constexpr std::size_t kStep = 4 * sizeof(Line);
  constexpr std::size_t kAhead = 4096;  // further than the processor's own prefetcher looks
  Line even{}, odd{};
  std::size_t at = 0;
  for (; at + kStep <= bytes; at += kStep) {
    for (std::size_t line = 0; line < 4; line += 2) {
      Line first, second;
      std::memcpy(&first, memory + at + line * sizeof first, sizeof first);
      std::memcpy(&second, memory + at + (line + 1) * sizeof second, sizeof second);
      __builtin_prefetch(memory + at + line * sizeof first + kAhead);
      __builtin_prefetch(memory + at + (line + 1) * sizeof first + kAhead);
      even += first;
      odd += second;
    }
  }
  std::uint64_t sum = 0;
  for (; at < bytes; ++at) sum += std::to_integer<std::uint64_t>(memory[at]);
  even += odd;
  for (std::size_t i = 0; i < sizeof(Line) / sizeof sum; ++i) sum += even[i];
  return sum;
}

}  // namespace fovea::kernels::generic
