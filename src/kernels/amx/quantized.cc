#include "kernels/generic/quantized.h"

#include "kernels/amx/isa.h"
#include "kernels/amx/tiles.h"
#include "kernels/amx/vector.h"

namespace fovea::kernels::amx {
namespace {

// A block of C is up to 2 x 2 tiles: tiles 0 to 3 hold its sums, 4 and 5 rows of A, 6 and 7 columns of B.
constexpr std::size_t kBlocks = 2;
constexpr std::size_t kMostRows = 2 * kTileRows;
constexpr std::size_t kColumns = kBlocks * kPackedColumns;
constexpr std::size_t kGroup = 4;  // rows that are scaled and stored at once

/// Sums of a block as the tiles left them. They are scaled and stored while the products of the next block
/// run: tile products leave the vector units idle.
struct Block {
  alignas(64) std::int32_t sums[kMostRows * kColumns];
  std::size_t row = 0, column = 0;  // where it begins in C
  std::size_t next = 0, rows = 0;   // rows next ... rows - 1 are still to be stored
  std::size_t blocks = 0;
};

template <std::size_t kRows, std::size_t kVectors>
void store_group(const MatmulQuantized& product, Block& block) {
  using Dot = Isa::Dot;
  Dot::Sum sum[kRows][kVectors];
  generic::start_sums<Isa>(product, block.column, sum);
  const std::int32_t* from = block.sums + block.next * kColumns;
#pragma unroll
  for (std::size_t i = 0; i < kRows; ++i) {
#pragma unroll
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[i][v] = _mm512_add_epi32(sum[i][v], _mm512_load_si512(from + i * kColumns + v * Dot::kLanes));
    }
  }
  generic::finish<Isa>(product, block.row + block.next, block.column, sum);
  block.next += kRows;
}

/// Stores the next rows of a block, if any are left.
void store_some(const MatmulQuantized& product, Block& block) {
  if (block.next + kGroup <= block.rows) {
    block.blocks == 2 ? store_group<kGroup, 2>(product, block) : store_group<kGroup, 1>(product, block);
  } else if (block.next < block.rows) {
    block.blocks == 2 ? store_group<1, 2>(product, block) : store_group<1, 1>(product, block);
  }
}

void store_all(const MatmulQuantized& product, Block& block) {
  while (block.next < block.rows) store_some(product, block);
}

/// One product, block after block.
class Products {
 public:
  explicit Products(const MatmulQuantized& product) : product_(product) {}
  ~Products() { store_all(product_, block_[current_]); }
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// All rows times kColumnTiles blocks of weights that begin at b. The last rows are computed together with
  /// rows before them that are stored already: cheaper than tiles of other shapes.
  template <std::size_t kColumnTiles>
  void panel(const std::uint8_t* b, std::size_t column) {
    const std::size_t m = product_.m;
    std::size_t row = 0;
    for (; row + kMostRows <= m; row += kMostRows) multiply<2, kColumnTiles>(b, row, column, 0);
    const std::size_t left = m - row;
    if (left > kTileRows && m >= kMostRows) {
      multiply<2, kColumnTiles>(b, m - kMostRows, column, kMostRows - left);
    } else if (left > kTileRows) {
      multiply<1, kColumnTiles>(b, row, column, 0);
      multiply<1, kColumnTiles>(b, m - kTileRows, column, kMostRows - left);
    } else if (left > 0) {
      multiply<1, kColumnTiles>(b, m - kTileRows, column, kTileRows - left);
    }
  }

 private:
  /// A block of C, of which the first `stored` rows are there already.
  template <std::size_t kRowTiles, std::size_t kColumnTiles>
  void multiply(const std::uint8_t* b, std::size_t row, std::size_t column, std::size_t stored) {
    Block& before = block_[current_];
    current_ = 1 - current_;
    Block& block = block_[current_];
    const std::size_t stride = product_.k * kPackedColumns;
    const std::size_t steps = product_.k / kPackedDepth;
    const std::size_t groups = (before.rows - before.next + kGroup - 1) / kGroup;
    const std::size_t groups_a_step = (groups + steps - 1) / steps;
    const std::uint8_t* a = product_.a + row * product_.lda;
    zero<0>();
    if constexpr (kColumnTiles == 2) zero<1>();
    if constexpr (kRowTiles == 2) zero<2>();
    if constexpr (kRowTiles == 2 && kColumnTiles == 2) zero<3>();
    for (std::size_t step = 0; step < steps; ++step, a += kTileBytes, b += kTileRows * kTileBytes) {
      load<6>(b, kPackedStep);
      load<4>(a, product_.lda);
      multiply_int8<0, 4, 6>();
      if constexpr (kColumnTiles == 2) {
        load<7>(b + stride, kPackedStep);
        multiply_int8<1, 4, 7>();
      }
      if constexpr (kRowTiles == 2) {
        load<5>(a + kTileRows * product_.lda, product_.lda);
        multiply_int8<2, 5, 6>();
      }
      if constexpr (kRowTiles == 2 && kColumnTiles == 2) multiply_int8<3, 5, 7>();
      for (std::size_t group = 0; group < groups_a_step; ++group) store_some(product_, before);
    }
    constexpr std::size_t kRowBytes = kColumns * sizeof *block.sums;
    store<0>(block.sums, kRowBytes);
    if constexpr (kColumnTiles == 2) store<1>(block.sums + kPackedColumns, kRowBytes);
    if constexpr (kRowTiles == 2) store<2>(block.sums + kTileRows * kColumns, kRowBytes);
    if constexpr (kRowTiles == 2 && kColumnTiles == 2) {
      store<3>(block.sums + kTileRows * kColumns + kPackedColumns, kRowBytes);
    }
    store_all(product_, before);
    block.row = row;
    block.column = column;
    block.next = stored;
    block.rows = kRowTiles * kTileRows;
    block.blocks = kColumnTiles;
  }

  Block block_[2];
  const MatmulQuantized& product_;
  std::size_t current_ = 0;
};

}  // namespace

void matmul_int8(const MatmulQuantized& product) {
  if (product.m < kTileRows) return avx512bf16::matmul_int8(product);
  const TileUse use(TileShapes::full());
  Products products(product);
  generic::for_panels<kBlocks>(product.n, [&]<std::size_t kWide>(std::size_t column) {
    products.panel<kWide>(product.b + column * product.k, column);
  });
}

void matmul_int4(const MatmulQuantized& product) {
  if (product.m < kTileRows) return avx512bf16::matmul_int4(product);
  const TileUse use(TileShapes::full());
  Products products(product);
  generic::for_panels<kBlocks>(product.n, [&]<std::size_t kWide>(std::size_t column) {
    for (std::size_t i = 0; i < kWide; ++i) {
      const std::size_t first = column + i * kPackedColumns;
      generic::expand_int4<Isa>(product.b + first * product.k / 2,
                                product.b_multipliers + first * product.k / kInt4GroupSize, product.k,
                                product.scratch + i * kPackedColumns * product.k);
    }
    products.panel<kWide>(product.scratch, column);
  });
}

}  // namespace fovea::kernels::amx
