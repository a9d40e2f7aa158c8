#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace fovea::kernels {

using tensor::BFloat16;

/// C[m, n] = sum over k of A[m, k] * B[n, k], all row-major: activations times weights as checkpoints store
/// them, [out, in]. Leading dimensions count elements.
template <class Element>
struct MatmulNT {
  const Element* a;
  std::size_t lda;
  const Element* b;
  std::size_t ldb;
  float* c;
  std::size_t ldc;
  std::size_t m, n, k;
};

/// C[m, n] = sum over k of A[m, k] * B[k, n], all row-major float: the two products of attention.
struct MatmulNN {
  const float* a;
  std::size_t lda;
  const float* b;
  std::size_t ldb;
  float* c;
  std::size_t ldc;
  std::size_t m, n, k;
};

/// What follows a product while its values are still in registers or cache.
enum class Epilogue {
  kStore,     ///< out = x W^T + b
  kGeluTanh,  ///< out = gelu_tanh(x W^T + b)
  kAdd,       ///< out += x W^T + b: the residual connection
};

// Packed weights stand in blocks of 16 outputs. A block holds, for every four (int8) or two (bf16)
// neighbouring k, 64 bytes: output by output its values of those k. This is the order in which the
// dot-product instructions of every set read them, tile registers too.
inline constexpr std::size_t kPackedColumns = 16;
inline constexpr std::size_t kPackedStep = 64;   ///< bytes of one step along k in a block
inline constexpr std::size_t kPackedDepth = 64;  ///< k of quantised matrices is padded to a multiple of it
inline constexpr std::size_t kMostPackedDepth = 65'536;  ///< longer sums could leave 32 bits
inline constexpr std::size_t kInt4GroupSize = 32;        ///< neighbouring k that share a multiplier

inline constexpr std::size_t kScratchBlocks = 4;

/// C[m, n] = epilogue(a_scales[m] * b_scales[n] * sum over k of A[m, k] * B[n, k] + bias[n]) with integers A
/// and B. The sum is exact, so C does not depend on how it is computed.
struct MatmulQuantized {
  const std::uint8_t* a;  ///< [m, lda] rows as this set's quantize_row writes them
  std::size_t lda;        ///< bytes
  const float* a_scales;  ///< [m]
  /// int8: [n / 16, k / 4, 16, 4] signed bytes. int4: [n / 16, k / 8, 64], each byte two values plus 8: the
  /// low half belongs to the first four of eight k, the high half to the others.
  const std::uint8_t* b;
  const std::uint8_t* b_multipliers;  ///< int4: [n / 16, k / 32, 16], 1 to 15: B = (value - 8) * multiplier
  const std::int32_t* b_sums;         ///< [n rounded up to 16]: sum over k of B
  const float* b_scales;              ///< [n rounded up to 16]
  const float* bias;                  ///< [n], or null
  std::uint8_t* scratch;  ///< int4: kScratchBlocks * 16 * k bytes for unpacked weights; int8: not used
  float* c;
  std::size_t ldc;
  std::size_t m, n;
  std::size_t k;  ///< padded: a multiple of kPackedDepth, at most kMostPackedDepth
  Epilogue epilogue;
};

/// Attention of `rows` queries of one head over the keys and values at positions `first` ... `last` - 1, in
/// bfloat16, in chunks of kAttentionChunk positions whose results are merged in order (Dao et al. 2022), so
/// that scores never exist for more than a chunk. A row's result does not depend on the rows beside it.
struct AttentionBf16 {
  const BFloat16* q;  ///< [rows, ldq], head_dim values each, zeros up to an even number
  std::size_t ldq;
  const BFloat16* keys;     ///< packed [positions / 16, head_dim / 2, 16, 2]
  const BFloat16* values;   ///< packed [head_dim / 16, value_pairs, 16, 2]: pairs of neighbouring positions
  std::size_t value_pairs;  ///< allocated pairs of positions
  /// [`last` rounded up to kPackedColumns] each: what a position's key, or value, is still to be multiplied
  /// by, where they are whole numbers widened from int8; or null.
  const float* key_scales = nullptr;
  const float* value_scales = nullptr;
  const std::uint32_t* visible;  ///< [rows]: row i attends to positions before visible[i]
  std::size_t first, last;       ///< first: a multiple of kAttentionChunk below last
  float scale;                   ///< of the scores
  float* out;                    ///< [rows], rows out_stride apart: sums of values, not yet divided by totals
  std::size_t out_stride;
  float* tops;       ///< [rows]: the largest score; the weights of out and totals are relative to it
  float* totals;     ///< [rows]: sums of weights; 0 for a row that sees none of the positions
  std::size_t rows;  ///< at most kAttentionRows
  std::size_t head_dim;
};

/// Attention of `rows` queries of one head over all of its `positions`, products in int8, in chunks of
/// kAttentionChunk positions that are merged in order as those of AttentionBf16. A weight is rounded to
/// 127ths of the largest of its chunk, and what rows are divided by are sums of the rounded ones.
struct AttentionInt8 {
  const std::uint8_t* q;           ///< [rows, depth] as this set's quantize_row writes them;
  const float* q_scales;           ///< [rows], times log2(e) and what scores are scaled by
  const std::uint8_t* keys;        ///< packed [positions / 16, depth / 4, 16, 4] signed bytes
  const std::int32_t* key_sums;    ///< [positions rounded up to 16]
  const float* key_scales;         ///< [positions rounded up to 16]
  const std::uint8_t* values;      ///< [chunks]: packed [head_dim / 16, kAttentionChunk / 4, 16, 4]
  const std::int32_t* value_sums;  ///< [chunks, head_dim rounded up to 16]
  const float* value_scales;       ///< [chunks, head_dim rounded up to 16]
  std::size_t positions;
  float* out;  ///< [rows], rows out_stride apart: weighted means of values
  std::size_t out_stride;
  std::size_t rows;  ///< at most kAttentionRows
  std::size_t head_dim;
  std::size_t depth;  ///< head_dim padded to a multiple of kPackedDepth
};

/// What attention found for one row: see AttentionBf16.
struct AttentionRow {
  float* out;  ///< [head_dim]
  float top;
  float total;
};

inline constexpr std::size_t kAttentionRows = 48;
inline constexpr std::size_t kAttentionChunk = 256;

/// The arithmetic of one instruction set. Every function works on plain memory in one thread and keeps
/// nothing. The order of each sum depends on k (or n, for rows) alone, never on m, on how a caller cuts a
/// product into pieces, or on alignment: cutting never changes a bit.
struct Kernels {
  const char* isa;

  void (*matmul_nt_f32)(const MatmulNT<float>& product);
  void (*matmul_nt_bf16)(const MatmulNT<BFloat16>& product);  ///< products of bfloat16, summed in float
  void (*matmul_nn)(const MatmulNN& product);

  void (*matmul_int8)(const MatmulQuantized& product);
  void (*matmul_int4)(const MatmulQuantized& product);
  void (*attention_bf16)(const AttentionBf16& attention);
  void (*attention_int8)(const AttentionInt8& attention);  ///< null where bfloat16 is what the set does best
  /// Adds what was found at later positions: into = into + part. attention_bf16 merges its chunks so.
  void (*merge_attention)(AttentionRow& into, const AttentionRow& part, float scale, std::size_t head_dim);

  void (*to_bf16)(const float* x, BFloat16* out, std::size_t n);  ///< round to nearest even

  /// Every `block` neighbouring values of x multiplied by the Hadamard matrix of that size, unscaled, in
  /// place: a few large values become many middling ones. `block` is a power of two that divides n.
  void (*hadamard)(float* x, std::size_t n, std::size_t block);
  /// x as int8 with one scale, which it returns: x = scale * q, |q| <= 127. `out` has `padded` bytes, zeros
  /// past n. The bytes are the set's own form (some instructions want unsigned values).
  float (*quantize_row)(const float* x, std::size_t n, std::size_t padded, std::uint8_t* out);
  /// The same in signed bytes, whatever the set: for what is kept rather than multiplied at once.
  float (*quantize_row_signed)(const float* x, std::size_t n, std::size_t padded, std::int8_t* out);
  /// int8 as bfloat16, which holds every one of its values exactly. n is a multiple of
  /// 2 kPackedColumns.
  void (*widen_int8)(const std::int8_t* x, BFloat16* out, std::size_t n);

  /// out[2 i] = even[i], out[2 i + 1] = odd[i], rounded to bfloat16, for i < n.
  void (*interleave_bf16)(const float* even, const float* odd, BFloat16* out, std::size_t n);

  /// out = (x - mean) / sqrt(variance + eps) * weight + bias; biased variance. `out` may be `x`.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* out,
                     std::size_t n);
  /// out = x / sqrt(mean(x^2) + eps) * weight. `out` may be `x`.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* out, std::size_t n);
  /// x = softmax(scale * x) in place.
  void (*softmax)(float* x, float scale, std::size_t n);

  void (*gelu_tanh)(float* x, std::size_t n);                          ///< tanh form of GELU, in place
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);  ///< gate = silu(gate) * up
  void (*add)(float* x, const float* y, std::size_t n);                ///< x += y
};

/// The kernels this process uses: the best the processor has, or the set that the environment variable
/// FOVEA_ISA names. Chosen once. Errors (kUsage): FOVEA_ISA names an unknown set or one that this processor
/// lacks.
Result<const Kernels*> active_kernels();

/// Every set this processor can run, slowest first; for tests that compare them.
std::vector<const Kernels*> supported_kernels();

/// The set of that name. Errors: as active_kernels.
Result<const Kernels*> find_kernels(std::string_view isa);

}  // namespace fovea::kernels
