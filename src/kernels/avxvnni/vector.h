#pragma once

#include "kernels/generic/packed.h"
#include "kernels/generic/vector_ymm.h"

namespace fovea::kernels::avxvnni {

struct Set;
using Vector = generic::VectorYmm<Set>;

/// Unsigned bytes of A times signed bytes of B: 32 products an instruction.
struct Int8Dot : generic::Int8Ymm<Set> {
  static constexpr int kOffset = 128;

  static __m256i broadcast(const std::uint8_t* p) { return broadcast_four(p); }
  static Sum accumulate(Sum sum, __m256i row, Columns columns) {
#if defined(FOVEA_EMULATE_ISA)
    return _mm256_dpbusd_epi32(sum, row, columns);  // the same instruction as AVX-512 encodes it
#else
    return _mm256_dpbusd_avx_epi32(sum, row, columns);
#endif
  }
  static Sum correction(const std::int32_t* sums) {
    const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
    return _mm256_sub_epi32(zero(), _mm256_slli_epi32(weights, 7));
  }
};

/// What the generic kernels are built from; 12 of 16 registers hold sums.
struct Isa {
  using Vector = avxvnni::Vector;
  using Dot = Int8Dot;
  using TileDot = Dot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 6;
  static constexpr std::size_t kBlocks = 1;
  static constexpr std::size_t kFewRowBlocks = 1;
};

/// Widened bfloat16 takes more registers beside its sums.
struct AttentionIsa : Isa {
  static constexpr std::size_t kRows = 4;
};

}  // namespace fovea::kernels::avxvnni
