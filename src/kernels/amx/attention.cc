#include "kernels/generic/attention.h"

#include "kernels/amx/isa.h"
#include "kernels/amx/tiles.h"
#include "kernels/amx/vector.h"

namespace fovea::kernels::amx {
namespace {

constexpr std::size_t kPairs = kTileBytes / kPackedStep * kTileRows;  // of k in one tile of packed columns
constexpr std::size_t kRowTiles = kAttentionRows / kTileRows;
constexpr std::size_t kMostHeadDim = 256;
static_assert(kRowTiles == 3 && kPairs == 16);

/// Tiles 0 to 2 hold sums of all rows and 16 columns, 3 rows of A, 4 columns of B; 5 and 6 are what is left
/// of both where k is no multiple of a tile.
TileShapes shapes(std::size_t pairs_left) {
  TileShapes shapes = TileShapes::full();
  if (pairs_left != 0) {
    shapes.set(5, kTileRows, 2 * sizeof(BFloat16) * pairs_left);
    shapes.set(6, pairs_left, kTileBytes);
  }
  return shapes;
}

template <int kC, int kA, int kB>
void multiply_rows(const BFloat16* a, std::size_t lda) {
  load<kA>(a, lda * sizeof *a);
  multiply_bf16<kC, kA, kB>();
}

template <int kA, int kB>
void multiply_step(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t tiles) {
  load<kB>(b, kPackedStep);
  multiply_rows<0, kA, kB>(a, lda);
  if (tiles > 1) multiply_rows<1, kA, kB>(a + kTileRows * lda, lda);
  if (tiles > 2) multiply_rows<2, kA, kB>(a + 2 * kTileRows * lda, lda);
}

/// Rows of A beyond `rows` are read and computed with, up to a whole tile.
struct AttentionIsa : Isa {
  template <class Store>
  static void bf16_product(const BFloat16* a, std::size_t lda, const BFloat16* b, std::size_t block_stride,
                           std::size_t steps, std::size_t rows, std::size_t columns, Store store) {
    const std::size_t tiles = (rows + kTileRows - 1) / kTileRows;
    const TileUse use(shapes(steps % kPairs));
    alignas(64) float sums[kAttentionRows * kPackedColumns];
    constexpr std::size_t kRowBytes = kPackedColumns * sizeof *sums;
    for (std::size_t column = 0; column < columns; column += kPackedColumns) {
      const BFloat16* left = a;
      const BFloat16* right = b + column / kPackedColumns * (block_stride / sizeof *b);
      zero<0>();
      zero<1>();
      zero<2>();
      std::size_t step = 0;
      for (; step + kPairs <= steps; step += kPairs, left += 2 * kPairs, right += kTileRows * 2 * kPairs) {
        multiply_step<3, 4>(left, lda, right, tiles);
      }
      if (step < steps) multiply_step<5, 6>(left, lda, right, tiles);
      amx::store<0>(sums, kRowBytes);
      if (tiles > 1) amx::store<1>(sums + kTileRows * kPackedColumns, kRowBytes);
      if (tiles > 2) amx::store<2>(sums + 2 * kTileRows * kPackedColumns, kRowBytes);
      for (std::size_t row = 0; row < rows; ++row) {
        store(row, column, Vector::load(sums + row * kPackedColumns));
      }
    }
  }
};

}  // namespace

// The order of sums is not that of avx512bf16, so tiles are used however few the rows are.
void attention_bf16(const AttentionBf16& attention) {
  const std::size_t head_dim = attention.head_dim + attention.head_dim % 2;
  if (head_dim > kMostHeadDim) return avx512bf16::attention_bf16(attention);
  if (attention.rows % kTileRows == 0) return generic::attention_bf16<AttentionIsa>(attention);
  alignas(64) BFloat16 q[kAttentionRows * kMostHeadDim];
  const std::size_t rows = (attention.rows + kTileRows - 1) / kTileRows * kTileRows;
  for (std::size_t i = 0; i < rows; ++i) {
    BFloat16* to = q + i * head_dim;
    if (i < attention.rows) {
      std::memcpy(to, attention.q + i * attention.ldq, head_dim * sizeof *to);
    } else {
      std::memset(to, 0, head_dim * sizeof *to);
    }
  }
  AttentionBf16 padded = attention;
  padded.q = q;
  padded.ldq = head_dim;
  generic::attention_bf16<AttentionIsa>(padded);
}

}  // namespace fovea::kernels::amx
