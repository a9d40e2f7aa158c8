#pragma once

#include <immintrin.h>

#include "kernels/generic/vector_zmm.h"

namespace fovea::kernels::avx512bf16 {

struct Set {
  static constexpr bool kBf16 = true;
};
using Vector = generic::VectorZmm<Set>;
using Int8Dot = generic::Int8DotZmm<Set>;

/// Products of bfloat16 pairs added to float lanes by one instruction.
struct Bf16Operand {
  using Element = tensor::BFloat16;
  using Register = __m512bh;
  static constexpr std::size_t kStep = 32;
  static Register load(const Element* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
  static Register load_partial(const Element* p, std::size_t n) {
    return reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi16(static_cast<__mmask32>((1ULL << n) - 1U), p));
  }
  static Vector accumulate(Vector sum, Register a, Register b) { return {_mm512_dpbf16_ps(sum.r, a, b)}; }
};

/// Pairs of bfloat16, packed.
struct PackedBf16Dot {
  using Sum = Vector;
  using Columns = __m512bh;
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kBytes = 64;

  static Columns load(const std::uint8_t* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
  static __m512bh broadcast(const std::uint8_t* p) {
    return reinterpret_cast<__m512bh>(Int8Dot::broadcast(p));
  }
  static Sum accumulate(Sum sum, __m512bh row, Columns columns) {
    return {_mm512_dpbf16_ps(sum.r, row, columns)};
  }
};

/// What the generic kernels are built from; 24 of 32 registers hold sums.
struct Isa {
  using Vector = avx512bf16::Vector;
  using Dot = Int8Dot;
  using TileDot = Dot;
  using Bf16Dot = PackedBf16Dot;
  static constexpr std::size_t kRows = 12;
  static constexpr std::size_t kBlocks = 2;
  static constexpr std::size_t kFewRowBlocks = 4;
};

}  // namespace fovea::kernels::avx512bf16
