#include "kernels/generic/peaks.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fovea::kernels::portable {
namespace {

// What the base of an architecture offers, through the compiler's own vectors of 16 bytes.
using Floats [[gnu::vector_size(16)]] = float;
using Words [[gnu::vector_size(16)]] = std::uint32_t;
using Integers [[gnu::vector_size(16)]] = std::int32_t;
using Bytes [[gnu::vector_size(16)]] = std::int8_t;
using Shorts [[gnu::vector_size(32)]] = std::int16_t;
using HalfShorts [[gnu::vector_size(16)]] = std::int16_t;
#if !defined(__SSE2__)
using Products [[gnu::vector_size(32)]] = std::int32_t;
#endif

struct F32 {
  using Sum = Floats;
  using Operand = Floats;
  static constexpr std::size_t kSums = 8, kShared = 1, kOperations = 8;
  static Operand widen(Operand a) { return a; }
  static Sum add(Sum sum, Operand a, Operand b) { return sum + a * b; }
};

struct Bf16 {
  using Sum = Floats;
  using Operand = Floats;
  static constexpr std::size_t kSums = 8, kShared = 4, kOperations = 16;
  struct Wide {
    Floats even, odd;
  };
  static Wide widen(Operand a) {
    Words bits;
    std::memcpy(&bits, &a, sizeof bits);
    const Words low = bits << 16, high = bits & 0xFFFF0000U;
    Wide wide;
    std::memcpy(&wide.even, &low, sizeof low);
    std::memcpy(&wide.odd, &high, sizeof high);
    return wide;
  }
  static Sum add(Sum sum, Wide a, Operand b) { return sum + a.even * b + a.odd * b; }
};

struct Int8 {
  using Sum = Integers;
  using Operand = Bytes;
  static constexpr std::size_t kSums = 8, kShared = 4, kOperations = 32;
  struct Wide {
    HalfShorts low, high;
  };
  static Wide widen(Operand a) {
    const Shorts all = __builtin_convertvector(a, Shorts);
    return {__builtin_shufflevector(all, all, 0, 1, 2, 3, 4, 5, 6, 7),
            __builtin_shufflevector(all, all, 8, 9, 10, 11, 12, 13, 14, 15)};
  }
  static Sum add(Sum sum, Wide a, Operand b) {
    HalfShorts other;  // widened before, as that of a row is for all columns
    std::memcpy(&other, &b, sizeof other);
    return sum + pairs(a.low, other) + pairs(a.high, other);
  }

 private:
  static Integers pairs(HalfShorts a, HalfShorts b) {
#if defined(__SSE2__)
    return reinterpret_cast<Integers>(
        _mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
    const Products products = __builtin_convertvector(a, Products) * __builtin_convertvector(b, Products);
    return __builtin_shufflevector(products, products, 0, 2, 4, 6) +
           __builtin_shufflevector(products, products, 1, 3, 5, 7);
#endif
  }
};

struct Set {};

}  // namespace

PeakLoops peak_loops() {
  return {.f32 = generic::peak_loop<F32>(),
          .bf16 = generic::peak_loop<Bf16>(),
          .int8 = generic::peak_loop<Int8>(),
          .read = generic::read_memory<Set>};
}

}  // namespace fovea::kernels::portable
