#include <algorithm>

#include "kernels/amx/isa.h"
#include "kernels/amx/tiles.h"
#include "kernels/amx/transpose.h"

// C is computed transposed. Weights come output by output: as the left operand a tile of them is read as it
// stands, and what has to be rearranged are the few rows of activations, once for all outputs. Each sum has
// the order that the tile product gives it, whatever the shape of the tile, so one row is computed as many
// are.
namespace fovea::kernels::amx {
namespace {

constexpr std::size_t kStep = kTileBytes / sizeof(BFloat16);  // of k
constexpr std::size_t kTileSize = kTileRows * kTileBytes;
constexpr std::size_t kSide = 2 * kTileRows;  // rows and outputs of a block of C
constexpr std::size_t kPart = 4096;           // of k: what is rearranged at once lies on the stack
static_assert(kPart % kStep == 0);

/// How many of up to 32 rows or outputs the first and the second tile have.
struct Split {
  std::size_t first, second;

  explicit Split(std::size_t count)
      : first(std::min(count, kTileRows)), second(count > kTileRows ? count - kTileRows : 0) {}
};

// Tiles 0 to 3 hold sums: 0 and 1 the first 16 outputs of the first and second 16 rows, 2 and 3 the others. 4
// and 5 are outputs of the weights, 6 and 7 rows of the activations.
TileShapes shapes(Split outputs, Split rows) {
  TileShapes shapes;
  const std::size_t high[] = {outputs.first, outputs.second}, wide[] = {rows.first, rows.second};
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      if (high[i] * wide[j] != 0) shapes.set(2 * i + j, high[i], sizeof(float) * wide[j]);
    }
    if (high[i] != 0) shapes.set(4 + i, high[i], kTileBytes);
    if (wide[i] != 0) shapes.set(6 + i, kTileRows, sizeof(float) * wide[i]);
  }
  return shapes;
}

/// Part of the activations' k in the order of the right operand: for each 16 rows and each step a tile.
struct Rearranged {
  alignas(64) std::uint8_t tiles[2 * kPart / kStep * kTileSize];
  std::size_t steps = 0;

  void fill(const BFloat16* x, std::size_t stride, std::size_t rows, std::size_t k) {
    steps = (k + kStep - 1) / kStep;
    std::uint8_t* to = tiles;
    for (std::size_t row = 0; row < rows; row += kTileRows) {
      for (std::size_t at = 0; at < k; at += kStep, to += kTileSize) {
        const std::size_t left = std::min(kStep, k - at);
        if (left < kStep) std::memset(to, 0, kTileSize);
        transpose(x + row * stride + at, stride * sizeof *x, std::min(kTileRows, rows - row),
                  left * sizeof *x, to, kTileBytes);
      }
    }
  }
  [[nodiscard]] const std::uint8_t* tile(std::size_t side, std::size_t step) const {
    return tiles + (side * steps + step) * kTileSize;
  }
};

/// A block of C: its outputs' weights at one part of k, and where its sums go.
struct Block {
  const BFloat16* weights;
  std::size_t stride;  // elements from output to output
  std::size_t k;       // of this part
  float* c;            // the first row's first output
  std::size_t ldc;
  Split outputs, rows;
  bool first;  // part of k: sums begin at zero
};

template <int kHigh, int kWide>
void products(const Block& block, const BFloat16* weights, std::size_t stride, const Rearranged& x,
              std::size_t step) {
  const std::size_t bytes = stride * sizeof *weights;
  load<6>(x.tile(0, step), kTileBytes);
  load<4>(weights, bytes);
  multiply_bf16<0, 4, 6>();
  if constexpr (kWide == 2) {
    load<7>(x.tile(1, step), kTileBytes);
    multiply_bf16<1, 4, 7>();
  }
  if constexpr (kHigh == 2) {
    load<5>(weights + kTileRows * stride, bytes);
    multiply_bf16<2, 5, 6>();
  }
  if constexpr (kHigh == 2 && kWide == 2) multiply_bf16<3, 5, 7>();
  if constexpr (kWide == 1) {
    // Few rows: the weights are read once, from memory. A step ahead by one block, which lies behind this
    // one.
    const auto* next = reinterpret_cast<const char*>(block.weights + kHigh * kTileRows * block.stride);
    const char* lines = next + step * kHigh * kTileSize;
    for (std::size_t line = 0; line < kHigh * kTileRows; ++line)
      __builtin_prefetch(lines + line * kTileBytes);
  }
}

/// Starts or stores the sums of one tile: kTile's outputs of some rows, at c.
template <int kTile>
void begin(const float* c, std::size_t ldc, std::size_t outputs, std::size_t rows, bool first) {
  if (first) return zero<kTile>();
  alignas(64) float sums[kTileRows * kTileRows];
  transpose(c, ldc * sizeof *c, rows, outputs * sizeof *c, sums, kTileBytes);
  load<kTile>(sums, kTileBytes);
}
template <int kTile>
void end(float* c, std::size_t ldc, std::size_t outputs, std::size_t rows) {
  if (rows == 1) return store<kTile>(c, sizeof *c);
  alignas(64) float sums[kTileRows * kTileRows];
  store<kTile>(sums, kTileBytes);
  transpose(sums, kTileBytes, outputs, rows * sizeof *sums, c, ldc * sizeof *c);
}

template <int kHigh, int kWide>
void multiply(const Block& block, const Rearranged& x) {
  const auto [high, higher] = block.outputs;
  const auto [wide, wider] = block.rows;
  float* below = block.c + kTileRows;               // the outputs of tiles 2 and 3
  float* beside = block.c + kTileRows * block.ldc;  // the rows of tiles 1 and 3
  begin<0>(block.c, block.ldc, high, wide, block.first);
  if constexpr (kWide == 2) begin<1>(beside, block.ldc, high, wider, block.first);
  if constexpr (kHigh == 2) begin<2>(below, block.ldc, higher, wide, block.first);
  if constexpr (kHigh == 2 && kWide == 2) begin<3>(beside + kTileRows, block.ldc, higher, wider, block.first);
  const std::size_t whole = block.k / kStep;
  for (std::size_t step = 0; step < whole; ++step) {
    products<kHigh, kWide>(block, block.weights + step * kStep, block.stride, x, step);
  }
  if (const std::size_t left = block.k - whole * kStep;
      left != 0) {  // what a tile has beyond must not be read
    alignas(64) BFloat16 padded[kSide * kStep] = {};
    for (std::size_t i = 0; i < high + higher; ++i) {
      std::memcpy(padded + i * kStep, block.weights + i * block.stride + whole * kStep,
                  left * sizeof *padded);
    }
    products<kHigh, kWide>(block, padded, kStep, x, whole);
  }
  end<0>(block.c, block.ldc, high, wide);
  if constexpr (kWide == 2) end<1>(beside, block.ldc, high, wider);
  if constexpr (kHigh == 2) end<2>(below, block.ldc, higher, wide);
  if constexpr (kHigh == 2 && kWide == 2) end<3>(beside + kTileRows, block.ldc, higher, wider);
}

void multiply(const Block& block, const Rearranged& x) {
  if (block.outputs.second != 0) {
    block.rows.second != 0 ? multiply<2, 2>(block, x) : multiply<2, 1>(block, x);
  } else {
    block.rows.second != 0 ? multiply<1, 2>(block, x) : multiply<1, 1>(block, x);
  }
}

/// Outputs begin ... end - 1 of up to 32 rows, for one part of k; as many tiles for each block.
void panel(const MatmulNT<BFloat16>& product, std::size_t row, std::size_t from, const Rearranged& x,
           std::size_t begin, std::size_t end) {
  if (begin == end) return;
  const Split rows(std::min(kSide, product.m - row)), outputs(std::min(kSide, end - begin));
  const TileUse use(shapes(outputs, rows));
  for (std::size_t column = begin; column < end; column += kSide) {
    multiply({.weights = product.b + column * product.ldb + from,
              .stride = product.ldb,
              .k = std::min(kPart, product.k - from),
              .c = product.c + row * product.ldc + column,
              .ldc = product.ldc,
              .outputs = outputs,
              .rows = rows,
              .first = from == 0},
             x);
  }
}

}  // namespace

void matmul_nt_bf16(const MatmulNT<BFloat16>& product) {
  Rearranged x;
  for (std::size_t row = 0; row < product.m; row += kSide) {
    for (std::size_t from = 0; from < product.k; from += kPart) {
      x.fill(product.a + row * product.lda + from, product.lda, std::min(kSide, product.m - row),
             std::min(kPart, product.k - from));
      const std::size_t whole = product.n / kSide * kSide;
      panel(product, row, from, x, 0, whole);
      panel(product, row, from, x, whole, product.n);
    }
  }
}

}  // namespace fovea::kernels::amx
