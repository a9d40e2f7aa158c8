#pragma once

#include "kernels/avx512bf16/isa.h"

namespace fovea::kernels::amx {

void matmul_nt_bf16(const MatmulNT<BFloat16>& product);
void matmul_int8(const MatmulQuantized& product);
void matmul_int4(const MatmulQuantized& product);
void attention_bf16(const AttentionBf16& attention);

/// Every processor with tiles has the set avx512bf16, which does everything else.
inline constexpr Kernels make_kernels(const char* isa) {
  Kernels kernels = avx512bf16::make_kernels(isa);
  kernels.matmul_nt_bf16 = matmul_nt_bf16;
  kernels.matmul_int8 = matmul_int8;
  kernels.matmul_int4 = matmul_int4;
  kernels.attention_bf16 = attention_bf16;
  kernels.attention_int8 = nullptr;  // tiles of bfloat16 are fast, and int8 ones were not tried
  return kernels;
}

}  // namespace fovea::kernels::amx
