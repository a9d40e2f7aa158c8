#pragma once

// Products of quantised rows and weights. A set's `Isa` names:
//   Vector             its floats
//   Dot                its int8 Dot (packed.h), which also offers
//     kOffset            what quantize_row adds to every value of A (0, or 128 for unsigned bytes)
//     correction         minus kOffset times sums from memory, where kOffset is not 0
//     add                sum + sum
//     low, high          the nibbles of a Columns; minus 8 where kNibbleOffset is 0
//     kNibbleOffset      what low and high leave in: 0, or 8, which is then taken off by groups: `set1` gives
//                        a Sum of one value
//     multiply_nibbles   (where a set has a shorter way) one group of A times one of a block's vectors
//     multiply_add       sum + a * b in int32, b from bytes
//     to_float
//   TileDot            the int8 Dot of tiles: mostly the same. It may offer
//     prepare            writes a row's bytes as its broadcast wants them, kRowStep for every four, and gives
//                        what is added to all sums of that row
//   kRows, kBlocks     sums of a tile that fit the registers: kRows rows by kBlocks blocks

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/packed.h"
#include "kernels/generic/rows.h"

namespace fovea::kernels::generic {

/// Sums start at minus what the offset of A adds to them.
template <class Isa, std::size_t kRows, std::size_t kVectors>
[[gnu::always_inline]] inline void start_sums(const MatmulQuantized& product, std::size_t column,
                                              typename Isa::Dot::Sum (&sum)[kRows][kVectors]) {
  using Dot = typename Isa::Dot;
#pragma unroll
  for (std::size_t v = 0; v < kVectors; ++v) {
    auto start = Dot::zero();
    if constexpr (Dot::kOffset != 0) start = Dot::correction(product.b_sums + column + v * Dot::kLanes);
#pragma unroll
    for (std::size_t i = 0; i < kRows; ++i) sum[i][v] = start;
  }
}

/// Scales the sums of kRows rows from `row` and of the outputs from `column`, and stores them.
template <class Isa, std::size_t kRows, std::size_t kVectors>
[[gnu::always_inline]] inline void finish(const MatmulQuantized& product, std::size_t row, std::size_t column,
                                          const typename Isa::Dot::Sum (&sum)[kRows][kVectors]) {
  using Vector = typename Isa::Vector;
  constexpr std::size_t kLanes = Vector::kLanes;
#pragma unroll
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t first = column + v * kLanes;
    if (first >= product.n) break;
    const std::size_t lanes = product.n - first < kLanes ? product.n - first : kLanes;
    const Vector scale = Vector::load(product.b_scales + first);
    const Vector bias =
        product.bias == nullptr ? Vector::zero() : Vector::load_partial(product.bias + first, lanes);
#pragma unroll
    for (std::size_t i = 0; i < kRows; ++i) {
      float* c = product.c + (row + i) * product.ldc + first;
      const Vector both = Vector::mul(scale, Vector::set1(product.a_scales[row + i]));
      Vector value = Vector::fma(Isa::Dot::to_float(sum[i][v]), both, bias);
      if (product.epilogue == Epilogue::kGeluTanh) value = gelu_value(value);
      if (lanes == kLanes) {
        if (product.epilogue == Epilogue::kAdd) value = Vector::add(value, Vector::load(c));
        value.store(c);
      } else {
        if (product.epilogue == Epilogue::kAdd) value = Vector::add(value, Vector::load_partial(c, lanes));
        value.store_partial(c, lanes);
      }
    }
  }
}

/// Asks for the lines of C that a tile will store to, so that they come while it sums.
template <std::size_t kRows, std::size_t kColumns>
[[gnu::always_inline]] inline void expect_stores(const MatmulQuantized& product, std::size_t row,
                                                 std::size_t column) {
  constexpr std::size_t kLine = 64 / sizeof(float);
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t at = 0; at < kColumns; at += kLine) {
      __builtin_prefetch(product.c + (row + i) * product.ldc + column + at, 1);
    }
  }
}

template <class Isa, std::size_t kRows, std::size_t kBlocks>
inline void int8_tile(const MatmulQuantized& product, const std::uint8_t* b, std::size_t row,
                      std::size_t column) {
  using Dot = typename Isa::TileDot;
  constexpr std::size_t kVectors = kBlocks * kPackedColumns / Dot::kLanes;
  const std::uint8_t* a = product.a + row * product.lda;
  const std::size_t stride = product.k * kPackedColumns, steps = product.k / 4;
  typename Dot::Sum sum[kRows][kVectors];
  start_sums<Isa>(product, column, sum);
  expect_stores<kRows, kBlocks * kPackedColumns>(product, row, column);
  if constexpr (requires { Dot::prepare(a, product.k, nullptr); }) {
    static_assert(kRows == 1);
    alignas(64)
        std::uint8_t prepared[Dot::kRowStep / 4 * kMostPackedDepth];  // on the stack: as much as k is used
    const auto start = Dot::prepare(a, product.k, prepared);
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) sum[0][v] = Dot::add(sum[0][v], start);
    accumulate_packed<Dot>(prepared, product.lda, b, stride, steps, sum);
  } else {
    accumulate_packed<Dot>(a, product.lda, b, stride, steps, sum);
  }
  finish<Isa>(product, row, column, sum);
}

/// All rows times kBlocks blocks that begin at b.
template <class Isa, std::size_t kBlocks>
inline void int8_panel(const MatmulQuantized& product, const std::uint8_t* b, std::size_t column) {
  std::size_t row = 0;
  for (; row + Isa::kRows <= product.m; row += Isa::kRows) {
    int8_tile<Isa, Isa::kRows, kBlocks>(product, b, row, column);
  }
  if constexpr (Isa::kRows > 4) {
    for (; row + 4 <= product.m; row += 4) int8_tile<Isa, 4, kBlocks>(product, b, row, column);
  }
  for (; row < product.m; ++row) int8_tile<Isa, 1, kBlocks>(product, b, row, column);
}

/// f<blocks>(column) over all columns: kWide blocks at a time, then one.
template <std::size_t kWide, class Function>
inline void for_panels(std::size_t n, Function f) {
  const std::size_t blocks = (n + kPackedColumns - 1) / kPackedColumns;
  std::size_t block = 0;
  for (; block + kWide <= blocks; block += kWide) f.template operator()<kWide>(block * kPackedColumns);
  for (; block < blocks; ++block) f.template operator()<1>(block * kPackedColumns);
}

// A single row waits for memory: its weights are walked in one line through the whole matrix, as the
// processor's own prefetchers like it. int4 walks two lines, each in short pages, and gains 5 % by asking
// ahead; int8 lost 2 %.
inline constexpr std::size_t kPrefetchBytes = 2048;

/// One row of A times the block of int8 at b. Four sums along k hide the latency of the products.
template <class Isa>
inline void int8_row(const MatmulQuantized& product, const std::uint8_t* b, std::size_t row,
                     std::size_t column) {
  using Dot = typename Isa::Dot;
  constexpr std::size_t kVectors = kPackedColumns / Dot::kLanes;
  constexpr std::size_t kChains = 4;
  const std::uint8_t* a = product.a + row * product.lda;
  typename Dot::Sum chain[kChains][kVectors];
  start_sums<Isa>(product, column, reinterpret_cast<typename Dot::Sum(&)[1][kVectors]>(chain[0]));
#pragma unroll
  for (std::size_t c = 1; c < kChains; ++c) {
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) chain[c][v] = Dot::zero();
  }
  for (std::size_t k = 0; k < product.k; k += 4 * kChains, b += kChains * kPackedStep) {
#pragma unroll
    for (std::size_t c = 0; c < kChains; ++c) {
      const auto four = Dot::broadcast(a + k + 4 * c);
#pragma unroll
      for (std::size_t v = 0; v < kVectors; ++v) {
        chain[c][v] = Dot::accumulate(chain[c][v], four, Dot::load(b + c * kPackedStep + v * Dot::kBytes));
      }
    }
  }
  typename Dot::Sum sum[1][kVectors];
#pragma unroll
  for (std::size_t v = 0; v < kVectors; ++v) {
    sum[0][v] = Dot::add(Dot::add(chain[0][v], chain[1][v]), Dot::add(chain[2][v], chain[3][v]));
  }
  finish<Isa>(product, row, column, sum);
}

/// Rows from which a tile pays: with fewer, weights are read once at memory speed (and int4 unpacked for
/// every row), the further rows from cache.
inline constexpr std::size_t kTileFromRows = 4;

/// For every group of one row of A what its sums begin at: minus the offset of nibbles times the sum of A.
template <class Isa>
inline void start_groups(const std::uint8_t* a, std::size_t k, std::int32_t* starts) {
  using Dot = typename Isa::Dot;
  for (std::size_t group = 0; group < k / kInt4GroupSize; ++group, a += kInt4GroupSize) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < kInt4GroupSize; ++i) {
      sum += Dot::kOffset != 0 ? static_cast<std::int32_t>(a[i]) : static_cast<std::int8_t>(a[i]);
    }
    starts[group] = -Dot::kNibbleOffset * sum;
  }
}

/// The 32 values of A from a times the v-th vector of the group's four steps at b, added to `start`.
template <class Isa>
[[gnu::always_inline]] inline auto multiply_nibbles(const std::uint8_t* a, const std::uint8_t* b,
                                                    std::size_t v, typename Isa::Dot::Sum start) {
  using Dot = typename Isa::Dot;
  if constexpr (requires { Dot::multiply_nibbles(a, b, start); }) {
    return Dot::multiply_nibbles(a, b + v * Dot::kBytes, start);
  } else {
    typename Dot::Sum low = start, high = Dot::zero();
#pragma unroll
    for (std::size_t pair = 0; pair < 4; ++pair) {
      const auto packed = Dot::load(b + pair * kPackedStep + v * Dot::kBytes);
      low = Dot::accumulate(low, Dot::broadcast(a + 8 * pair), Dot::low(packed));
      high = Dot::accumulate(high, Dot::broadcast(a + 8 * pair + 4), Dot::high(packed));
    }
    return Dot::add(low, high);
  }
}

/// One row of A times the block of int4 at `column`, unpacked on the way.
template <class Isa>
inline void int4_row(const MatmulQuantized& product, const std::int32_t* starts, std::size_t row,
                     std::size_t column) {
  using Dot = typename Isa::Dot;
  constexpr std::size_t kVectors = kPackedColumns / Dot::kLanes;
  const std::uint8_t* a = product.a + row * product.lda;
  const std::uint8_t* b = product.b + column * product.k / 2;
  const std::uint8_t* multipliers = product.b_multipliers + column * product.k / kInt4GroupSize;
  typename Dot::Sum total[1][kVectors];
  start_sums<Isa>(product, column, total);
  for (std::size_t k = 0; k < product.k; k += kInt4GroupSize, b += 4 * kPackedStep, multipliers += 16) {
    __builtin_prefetch(multipliers + kPrefetchBytes / 16);
#pragma unroll
    for (std::size_t pair = 0; pair < 4; ++pair) __builtin_prefetch(b + pair * kPackedStep + kPrefetchBytes);
    auto start = Dot::zero();
    if constexpr (Dot::kNibbleOffset != 0) start = Dot::set1(starts[k / kInt4GroupSize]);
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto sum = multiply_nibbles<Isa>(a + k, b, v, start);
      total[0][v] = Dot::multiply_add(total[0][v], sum, multipliers + v * Dot::kLanes);
    }
  }
  finish<Isa>(product, row, column, total);
}

/// Fewer rows than a tile is worth: every block is read once.
template <class Isa>
inline void int4_rows(const MatmulQuantized& product) {
  constexpr std::size_t kMostGroups = kMostPackedDepth / kInt4GroupSize;
  std::int32_t starts[kTileFromRows][kMostGroups];  // on the stack: as much as k is used
  for (std::size_t row = 0; row < product.m && Isa::Dot::kNibbleOffset != 0; ++row) {
    start_groups<Isa>(product.a + row * product.lda, product.k, starts[row]);
  }
  for_panels<1>(product.n, [&]<std::size_t>(std::size_t column) {
    for (std::size_t row = 0; row < product.m; ++row) int4_row<Isa>(product, starts[row], row, column);
  });
}

/// One block of int4 as int8: [k / 4, 16, 4]. (A template, like all code here: each set needs its own copy.)
template <class Isa>
inline void expand_int4(const std::uint8_t* packed, const std::uint8_t* multipliers, std::size_t k,
                        std::uint8_t* out) {
  for (std::size_t group = 0; group < k / kInt4GroupSize; ++group, multipliers += kPackedColumns) {
    std::int8_t factor[kPackedStep];
    for (std::size_t i = 0; i < kPackedStep; ++i) factor[i] = static_cast<std::int8_t>(multipliers[i / 4]);
    for (std::size_t pair = 0; pair < 4; ++pair, packed += kPackedStep, out += 2 * kPackedStep) {
      for (std::size_t i = 0; i < kPackedStep; ++i) {
        const auto low = static_cast<std::int8_t>((packed[i] & 15) - 8);
        const auto high = static_cast<std::int8_t>((packed[i] >> 4) - 8);
        out[i] = static_cast<std::uint8_t>(low * factor[i]);
        out[kPackedStep + i] = static_cast<std::uint8_t>(high * factor[i]);
      }
    }
  }
}

template <class Isa>
inline void matmul_int8(const MatmulQuantized& product) {
  if (product.m < kTileFromRows) {
    for_panels<1>(product.n, [&]<std::size_t>(std::size_t column) {
      for (std::size_t row = 0; row < product.m; ++row) {
        int8_row<Isa>(product, product.b + column * product.k, row, column);
      }
    });
  } else {
    for_panels<Isa::kBlocks>(product.n, [&]<std::size_t kBlocks>(std::size_t column) {
      int8_panel<Isa, kBlocks>(product, product.b + column * product.k, column);
    });
  }
}

template <class Isa>
inline void matmul_int4(const MatmulQuantized& product) {
  if (product.m < kTileFromRows) {
    int4_rows<Isa>(product);
    return;
  }
  static_assert(Isa::kBlocks <= kScratchBlocks);
  for_panels<Isa::kBlocks>(product.n, [&]<std::size_t kBlocks>(std::size_t column) {
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const std::size_t first = column + i * kPackedColumns;
      expand_int4<Isa>(product.b + first * product.k / 2,
                       product.b_multipliers + first * product.k / kInt4GroupSize, product.k,
                       product.scratch + i * kPackedColumns * product.k);
    }
    int8_panel<Isa, kBlocks>(product, product.scratch, column);
  });
}

}  // namespace fovea::kernels::generic
